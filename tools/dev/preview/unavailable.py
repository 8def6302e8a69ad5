"""Functions that lack a service of AWS: the deployed ones once more, each with an address where nobody listens.

The stack itself stays whole. The functions are copied when one is first asked for, and run as the others do: their own
code, layers and role, on the same emulator, behind an HTTP API of their own.
"""

from __future__ import annotations

import io
import socket
import threading
import zipfile
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from dev.emulator import gaps
from dev.emulator.aws import client
from dev.emulator.ports import LOOPBACK
from dev.places import ROOT

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


class Without(StrEnum):
    """What a copy does without."""

    TABLE = "table"
    TABLE_AND_SPOOL = "table-and-spool"
    KEYRING = "keyring"
    TEMPLATES = "templates"
    """Its own page templates: a fault of ours, as good as any other."""


_KEPT = ("Runtime", "Role", "Handler", "Timeout", "MemorySize", "Architectures")
_SERVICES = {
    Without.TABLE: ("DYNAMODB",),
    Without.TABLE_AND_SPOOL: ("DYNAMODB", "SQS"),
    Without.KEYRING: ("SECRETS_MANAGER",),
    Without.TEMPLATES: (),
}
_FOLDERS = {"s": "subscribe", "c": "confirm", "u": "unsubscribe", "p": "preferences", "k": "preferences"}
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
    _urls: dict[Without, str] = field(default_factory=dict)
    _nobody: socket.socket = field(default_factory=_taken_port)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def url(self, without: Without) -> str:
        """Where the pages are that do without something."""
        with self._lock:
            if without not in self._urls:
                self._urls[without] = self._copied(without)
            return self._urls[without]

    def _copied(self, without: Without) -> str:
        gateway = client("apigatewayv2", self.endpoint)
        api = gateway.create_api(Name=f"without-{without}", ProtocolType="HTTP")["ApiId"]
        copies: dict[str, str] = {}
        routes = []
        for route in self.routes:
            if folder := _FOLDERS.get(route.path.strip("/").split("/")[0]):
                copies[route.function] = copies.get(route.function) or self._copy(route.function, without, folder)
                routes.append(replace(route, function=copies[route.function]))
        gaps.create_routes(api, routes, self.endpoint)
        gateway.create_stage(ApiId=api, StageName="$default", AutoDeploy=True)
        return gaps.url_of(self.endpoint, api)

    def _copy(self, function: str, without: Without, folder: str) -> str:
        """Copy a function; the copy's ARN."""
        functions = client("lambda", self.endpoint)
        original = functions.get_function_configuration(FunctionName=function)
        nowhere = f"http://{LOOPBACK}:{self._nobody.getsockname()[1]}"
        variables = {f"AWS_ENDPOINT_URL_{service}": nowhere for service in _SERVICES[without]}
        created = functions.create_function(
            FunctionName=f"{function.split(':')[6]}-without-{without}"[-64:],
            Code={"ZipFile": _packed(ROOT / "functions" / folder, templates=without is not Without.TEMPLATES)},
            Environment={"Variables": original["Environment"]["Variables"] | variables},
            Layers=[layer["Arn"] for layer in original["Layers"]],
            LoggingConfig={"LogGroup": original["LoggingConfig"]["LogGroup"]},
            **{each: original[each] for each in _KEPT if each in original},
        )
        return str(created["FunctionArn"])


def _packed(folder: Path, *, templates: bool) -> bytes:
    """A function's code as a zip file."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for file in sorted(folder.rglob("*")):
            place = file.relative_to(folder)
            if file.is_file() and "__pycache__" not in place.parts and (templates or place.parts[0] != "templates"):
                archive.write(file, place)
    return packed.getvalue()
