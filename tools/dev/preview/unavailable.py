"""Functions that find a service of AWS away: the deployed ones once more, each with an address where nobody listens.

The stack itself stays whole. A function is copied when it is first asked for, and runs as the others do: its own code,
layers and role, on the same emulator.
"""

from __future__ import annotations

import io
import socket
import threading
import zipfile
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from dev.emulator import gaps
from dev.emulator.aws import client
from dev.emulator.ports import LOOPBACK
from dev.places import ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

FUNCTIONS = ROOT / "functions"
_KEPT = ("Runtime", "Role", "Handler", "Timeout", "MemorySize", "Architectures")


class Away(StrEnum):
    """What a copy does without."""

    TABLE = "table"
    TABLE_AND_SPOOL = "table and spool"
    KEYRING = "keyring"
    TEMPLATES = "templates"
    """Its own page templates: a fault of ours, as good as any other."""


_SERVICES = {
    Away.TABLE: ("DYNAMODB",),
    Away.TABLE_AND_SPOOL: ("DYNAMODB", "SQS"),
    Away.KEYRING: ("SECRETS_MANAGER",),
    Away.TEMPLATES: (),
}
_ROOMS = {"s": "subscribe", "c": "confirm", "u": "unsubscribe", "p": "preferences"}
"""The folder of the function that answers, by the first segment of the path."""


def _taken_port() -> socket.socket:
    """A port that nobody else gets, and where nobody listens: whoever calls there is refused at once."""
    taken = socket.socket()
    taken.bind((LOOPBACK, 0))
    return taken


@dataclass
class Copies:
    """Copies of the functions; the emulator's end is theirs."""

    endpoint: str
    """The emulator."""
    routes: Sequence[gaps.Route]
    _made: set[str] = field(default_factory=set)
    _nobody: socket.socket = field(default_factory=_taken_port)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def call(
        self, away: Away, method: str, target: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, dict[str, str], bytes]:
        """What the function behind ``target`` answers while something is away: status, headers, body."""
        found = gaps.event_of(self.routes, method, target, headers, LOOPBACK, body)
        if found is None:
            raise ValueError("no function answers there")
        function, event = found
        folder = FUNCTIONS / _ROOMS[target.split("/")[1]]
        with self._lock:
            copy = self._copy(function, away, folder)
        return gaps.invoke(self.endpoint, copy, event)

    def _copy(self, function: str, away: Away, folder: Path) -> str:
        name = f"{function.split(':')[6]}-without-{away.replace(' ', '-')}"[-64:]
        if name in self._made:
            return name
        functions = client("lambda", self.endpoint)
        original = functions.get_function_configuration(FunctionName=function)
        nowhere = f"http://{LOOPBACK}:{self._nobody.getsockname()[1]}"
        variables = original["Environment"]["Variables"]
        variables |= {f"AWS_ENDPOINT_URL_{service}": nowhere for service in _SERVICES[away]}
        settings: dict[str, Any] = {each: original[each] for each in _KEPT if each in original}
        functions.create_function(
            FunctionName=name,
            Code={"ZipFile": _packed(folder, templates=away is not Away.TEMPLATES)},
            Environment={"Variables": variables},
            Layers=[layer["Arn"] for layer in original["Layers"]],
            LoggingConfig={"LogGroup": original["LoggingConfig"]["LogGroup"]},
            **settings,
        )
        self._made.add(name)
        return name


def _packed(folder: Path, *, templates: bool) -> bytes:
    """A function's code as a zip file."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for file in sorted(folder.rglob("*")):
            place = file.relative_to(folder)
            if file.is_file() and "__pycache__" not in place.parts and (templates or place.parts[0] != "templates"):
                archive.write(file, place)
    return packed.getvalue()
