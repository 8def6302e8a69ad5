"""The emulator, but it unpacks a layer once: `python -P layers_once.py`, with the emulator's own Python.

By itself it unpacks all layers anew for every process that it starts for a function. Those are thousands of files: most
of what a start takes, and of what tidying up takes at the end.

Its CloudFormation also refuses alarms that add up several metrics; here it takes them as alarms of the first. It knows
a greedy path variable only by the name `proxy`. And it lets every site call it, with keys that are in its manual; here
it answers this machine alone (`hosts`).
"""

from __future__ import annotations

import hashlib
import runpy
import sys
import tempfile
import threading
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import os

_LAYER: Final = "layer_"
"""How the emulator calls the archive of a layer, and the folder it unpacks it to."""
_API: Final = "/_aws/execute-api/"
_ONE_AT_A_TIME: Final = threading.Lock()


class Archive(zipfile.ZipFile):
    """Unpacks layers to a folder that all share, and other archives as ever."""

    def extractall(self, path: str | os.PathLike[str] | None = None, *how: Any, **named: Any) -> None:
        """Unpack to `path`; of a layer, have it lead to where it was unpacked first."""
        archive = Path(self.filename or "")
        if path is None or not (archive.name.startswith(_LAYER) and archive.stem == Path(path).name):
            super().extractall(path, *how, **named)
            return
        unpacked = Path(tempfile.gettempdir()) / f"unpacked-{hashlib.sha256(archive.read_bytes()).hexdigest()}"
        with _ONE_AT_A_TIME:
            if not unpacked.exists():
                part = unpacked.with_suffix(".part")
                super().extractall(part, *how, **named)
                part.rename(unpacked)
        Path(path).rmdir()
        Path(path).symlink_to(unpacked)


def of_its_first_metric(alarm: dict[str, Any]) -> dict[str, Any]:
    """An alarm's properties, of one metric where CloudFormation would take several."""
    stats = [each["MetricStat"] for each in alarm.get("Metrics", ()) if "MetricStat" in each]
    if not stats:
        return alarm
    plain = {name: value for name, value in alarm.items() if name != "Metrics"}
    return {**plain, **stats[0]["Metric"], "Statistic": stats[0]["Stat"], "Period": stats[0]["Period"]}


def guarded(app: Any, refusal: Any) -> Any:
    """The emulator's ASGI application, but what `hosts.refusal` refuses.

    The front door passes the deployed API's calls on with their own Host and Origin: those are public.
    """

    async def answer(scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            named = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
            public = scope["path"].startswith(_API)
            status = refusal(scope["method"], named.get("host", ""), named.get("origin"), port=None, public=public)
            if status is not None:
                await send({"type": "http.response.start", "status": int(status), "headers": []})
                await send({"type": "http.response.body", "body": b""})
                return
        await app(scope, receive, send)

    return answer


def specificity(method: str, path: str) -> tuple[bool, int, bool]:
    """How closely a route fits, the highest coming first: a full match, more words of its own, a method of its own.

    https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-routes.html
    """
    parts = path.strip("/").split("/")
    return not path.endswith("+}"), sum(not part.startswith("{") for part in parts), method != "ANY"


if __name__ == "__main__":
    zipfile.ZipFile = Archive  # type: ignore[misc]  # whoever asks for the one gets the other

    from ministack import app  # only now, when that is done; and only the emulator's own Python has it
    from ministack.services import apigateway
    from ministack.services.cloudformation import provisioners

    app.app = guarded(app.app, runpy.run_path(str(Path(__file__).with_name("hosts.py")))["refusal"])

    record = provisioners._cw_metric_alarm_record  # noqa: SLF001 - there is no other way in
    provisioners._cw_metric_alarm_record = lambda name, alarm: record(name, of_its_first_metric(alarm))  # noqa: SLF001

    apigateway._route_specificity = specificity  # noqa: SLF001 - as above

    sys.exit(app.main())
