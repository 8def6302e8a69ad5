"""What every test may use. Real parts where one exists; `support` holds what several kinds of tests share."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
sys.dont_write_bytecode = True  # what lies in functions/ is what ships
sys.path.insert(0, str(Path(__file__).parent))

ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
    "POWERTOOLS_SERVICE_NAME": "consentry",
    "TABLE_NAME": "consentry-test",
    "SPOOL_QUEUE_URL": "https://sqs.us-east-1.amazonaws.com/123456789012/spool",
    "CONFIGURATION_SET": "consentry-test",
    "POWERTOOLS_METRICS_NAMESPACE": "Consentry/test",
    "MAIL_QUEUE_URL": "https://sqs.us-east-1.amazonaws.com/123456789012/mails",
}


@pytest.fixture(scope="session", autouse=True)
def _environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The environment of a function, with brands and catalogues compiled as the layer's build does it."""
    from consentry_build.__main__ import build

    compiled = tmp_path_factory.mktemp("compiled")
    build(ROOT / "brands", compiled)
    kept = dict(os.environ)
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    os.environ.update(ENVIRONMENT, CONSENTRY_COMPILED=str(compiled))
    yield
    os.environ.clear()
    os.environ.update(kept)


@pytest.fixture
def load_room() -> Callable[[str], ModuleType]:
    """Import a function's handler as Lambda does: by its file, under no package."""

    def load(room: str) -> ModuleType:
        path = ROOT / "functions" / room / "handler.py"
        spec = importlib.util.spec_from_file_location(f"room_{room}", path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
        return module

    return load


def pytest_collection_modifyitems(items: list[Any]) -> None:
    """The whole stack starts last: what is quick to fail fails first."""
    items.sort(key=lambda item: "/e2e/" in str(item.path))
