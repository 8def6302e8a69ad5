"""The emulator with what it lacks made up for: `python -P inside.py`, with the emulator's own Python.

It would unpack all layers anew for each process of a function: half a second of processor time each, and gigabytes to
remove at the end. It knows a greedy path variable only by the name `proxy`, answers OPTIONS itself, and gives SAM no
parameter's value. It lets every site call it, with keys that are in its manual; here it answers this machine alone
(`hosts`). What it counts, judges and takes beside that is in `metrics`.
"""

from __future__ import annotations

import hashlib
import sys
import tempfile
import threading
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final, NoReturn

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping

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


class Options(str):
    """The method OPTIONS, which is not what the emulator answers by itself: so the API's routes get it."""

    __slots__ = ()
    __hash__ = str.__hash__

    def __eq__(self, other: object) -> bool:
        return self is other


def options_to_routes(execute: Callable[..., Any], apis: Mapping[str, Any]) -> Callable[..., Any]:
    """The emulator's call of an API, whose routes get OPTIONS unless the API answers it itself (CORS)."""

    async def executed(api: str, stage: str, path: str, method: str, *rest: Any) -> Any:
        cors = (apis.get(api) or {}).get("corsConfiguration")
        return await execute(api, stage, path, Options(method) if method == "OPTIONS" and not cors else method, *rest)

    return executed


def across_lines(extract: Callable[[str, str], dict[str, str] | None]) -> Callable[[str, str], dict[str, str] | None]:
    """The emulator's reading of path variables, also of a path that holds a line break, as a damaged link does."""

    def extracted(route: str, path: str) -> dict[str, str] | None:
        found = extract(route, path.replace("\n", _LINE_BREAK))
        return found and {name: value.replace(_LINE_BREAK, "\n") for name, value in found.items()}

    return extracted


def over_tls(resolve: Callable[[str, Any], Any]) -> Callable[[str, Any], Any]:
    """The emulator's reading of what a policy asks of a call, as of one over TLS: it is spoken to in plain HTTP."""
    return lambda key, call: "true" if key.lower() == "aws:securetransport" else resolve(key, call)


_LINE_BREAK: Final = "\ue000"
"""For private use: no link holds it."""


def told_of_parameters(apply: Callable[..., Any], values: Callable[..., dict[str, Any]]) -> Callable[..., Any]:
    """The emulator's transforms, with the parameters' values known to SAM, as CloudFormation passes them.

    `apply` takes a template, the values that were given, and those from before; `values` makes one of all three.
    """

    def applied(template: dict[str, Any], provided: Any = None, previous: Any = None) -> Any:
        from samtranslator.translator import transform  # takes its time: only when there is something to transform

        plain = transform.transform
        known = values(template, provided, previous)
        transform.transform = lambda given, _none, policies: plain(given, known, policies)
        try:
            return apply(template, provided, previous)
        finally:
            transform.transform = plain

    return applied


DEPLOYMENT_GROUPS: Final[dict[str, Mapping[str, Any]]] = {}
"""The properties of every deployment group of CodeDeploy, by its name."""


def know_codedeploy(handlers: dict[str, Any]) -> None:
    """Have CloudFormation take CodeDeploy's resources; an update's calls all go to the new versions at once."""

    def keep(name: str, properties: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        DEPLOYMENT_GROUPS[name] = properties
        return name, {}

    for kind in ("Application", "DeploymentGroup"):
        handlers[f"AWS::CodeDeploy::{kind}"] = {
            "create": lambda name, properties, stack: keep(f"{stack}-{name}", properties),
            "update": lambda at, _old, new, _stack: keep(at, new),
            "delete": lambda at, _properties: DEPLOYMENT_GROUPS.pop(at, None),
        }


def main(*more: Callable[[], None]) -> NoReturn:
    """Run the emulator with all of this, and `more`."""
    from ministack import app  # only the emulator's own Python has it
    from ministack.core import iam_evaluator, lambda_runtime
    from ministack.services import apigateway
    from ministack.services.cloudformation import changesets, engine, handlers, provisioners

    from dev.emulator import hosts, metrics

    app.app = guarded(app.app, hosts.refusal)
    lambda_runtime.zipfile = SimpleNamespace(**{**vars(zipfile), "ZipFile": Archive})
    know_codedeploy(provisioners._RESOURCE_HANDLERS)
    transforms = told_of_parameters(engine._apply_transforms, engine._transform_parameters)
    handlers._apply_transforms = changesets._apply_transforms = transforms
    apigateway._handle_execute_in_scope = options_to_routes(apigateway._handle_execute_in_scope, apigateway._apis)
    apigateway._route_specificity = specificity
    apigateway._extract_path_params = across_lines(apigateway._extract_path_params)
    iam_evaluator._resolve_condition_key = over_tls(iam_evaluator._resolve_condition_key)
    for install in (metrics.install, *more):
        install()
    sys.exit(app.main())


if __name__ == "__main__":
    sys.path.append(str(Path(__file__).parents[2]))  # what runs in here uses the standard library alone
    main()
