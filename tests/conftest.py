"""What every test may use. Real parts where one exists; `support` holds what several kinds of tests share."""

from __future__ import annotations

import gc
import importlib.util
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import pytest
from xdist.scheduler import LoadScopeScheduling

ROOT = Path(__file__).parents[1]
sys.pycache_prefix = str(ROOT / ".local" / "pycache")  # what lies in functions/ is what ships
sys.path.insert(0, str(Path(__file__).parent))

from support import drawing  # noqa: E402 - it lies beside this file

drawing.settle()
os.environ["CONSENTRY_BRANDS"] = str(ROOT / "tests" / "brands")  # those in brands/ are there to be replaced

ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
    "POWERTOOLS_SERVICE_NAME": "consentry",
    "TABLE_NAME": "consentry-test",
    "SPOOL_QUEUE_URL": "https://sqs.us-east-1.amazonaws.com/123456789012/spool",
    "CONFIGURATION_SET": "consentry-test",
    "METRICS_NAMESPACE": "Consentry/test",
    "KEYRING_SECRET_ARN": "arn:aws:secretsmanager:us-east-1:123456789012:secret:keyring",
    "MAIL_QUEUE_URL": "https://sqs.us-east-1.amazonaws.com/123456789012/mails",
    "FEEDBACK_QUEUE_URL": "https://sqs.us-east-1.amazonaws.com/123456789012/feedback",
    "NOTIFICATION_QUEUE_URL": "https://sqs.us-east-1.amazonaws.com/123456789012/notifications",
    "NOTIFICATION_DEAD_LETTERS_URL": "https://sqs.us-east-1.amazonaws.com/123456789012/notifications-dead",
    "ARCHIVE_BUCKET": "consentry-archive",
    "ARCHIVE_QUEUE_URL": "https://sqs.us-east-1.amazonaws.com/123456789012/archive",
    "ARCHIVE_SEGMENTS": "3",
    "BULK_BUCKET": "consentry-bulk",
    "BULK_CONCURRENCY": "8",
}


@pytest.fixture(scope="session", autouse=True)
def _environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The environment of a function, with brands and catalogues compiled as the layer's build does it."""
    from consentry_build.__main__ import build

    compiled = tmp_path_factory.mktemp("compiled")
    build(ROOT / "tests/brands", compiled)
    kept = dict(os.environ)
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    os.environ.update(ENVIRONMENT, CONSENTRY_COMPILED=str(compiled))
    yield
    os.environ.clear()
    os.environ.update(kept)


@pytest.fixture(autouse=True)
def _no_request() -> None:
    """What one test did for a request is not what the next one does."""
    from consentry import telemetry

    telemetry.begin("")


NAMED_AT_DEPLOYMENT: Final = {"queue", "function", "version"}
"""Dimensions whose values aren't the code's."""


@pytest.fixture(autouse=True)
def _only_metrics_whose_cost_is_known(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Whatever a test has the code count, docs/costs.md counts, too: tools/dev/capacity/metrics.py lists it."""
    from consentry import telemetry
    from dev.capacity import metrics

    unknown: set[metrics.Combination] = set()
    emit = telemetry.emit

    def emit_and_look(message: str, values: Mapping[str, float], **said: str | int | bool) -> None:
        for name in values:
            dimensions = telemetry.METRICS[name].dimensions
            found = metrics.Combination(name, tuple(str(said.get(each, "consentry")) for each in dimensions))
            if not NAMED_AT_DEPLOYMENT & set(dimensions) and found not in metrics.by_code():
                unknown.add(found)
        emit(message, values, **said)

    monkeypatch.setattr(telemetry, "emit", emit_and_look)
    yield
    assert not unknown


@pytest.fixture
def load_function() -> Callable[[str], ModuleType]:
    """Import a function's handler as Lambda does: by its file, under no package."""

    def load(function: str) -> ModuleType:
        path = ROOT / "functions" / function / "handler.py"
        spec = importlib.util.spec_from_file_location(f"function_{function}", path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
        return module

    return load


LONGEST: Final = "tests/e2e/test_faults.py"
"""The module that takes as long as most others together. It waits a lot, and measures how long people do."""
BROWSER: Final = "tests/e2e/test_pages_in_a_browser.py"
"""The module that takes as long as all others that share a stack: a stack more costs less than waiting for it."""


@cache
def _unit(module: str) -> str:
    """What workers may not share: a module, and all end-to-end tests but those that have a stack to themselves."""
    alone = not module.startswith("tests/e2e/") or module == BROWSER or "standing(" in (ROOT / module).read_text()
    return module if alone else "e2e"


def _turn(nodeid: str, *, several: bool) -> int:
    """When a test comes: the whole stack last, as what is quick to fail fails first.

    With several workers the longest comes before everything, so that the others' quick tests run beside it and no other
    stack does. Of the others that need a stack, those that take longest come first.
    """
    module = nodeid.partition("::")[0]
    if module == LONGEST:
        return 0 if several else 5
    if not module.startswith("tests/e2e/"):
        return 1
    return {BROWSER: 2, "e2e": 3}.get(_unit(module), 4)


NOT_OF_THE_LAYER: Final = (
    *(f"tests/unit/{tool}/" for tool in ("benchmarks", "cli", "dev")),
    "tests/e2e/",
    "tests/template/",
)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Order the tests, and measure what of the layer they run only where that is what they test: it costs a third."""
    several = "workerinput" in vars(config)
    items.sort(key=lambda item: _turn(item.nodeid, several=several))
    for item in items:
        if item.nodeid.startswith(NOT_OF_THE_LAYER):
            item.add_marker("no_cover")


class ByUnit(LoadScopeScheduling):
    """Gives each worker one unit after another, in the order of the tests."""

    def __init__(self, config: pytest.Config, log: Any) -> None:
        super().__init__(config, log)
        config.option.loadscopereorder = False  # by numbers of tests it would be, and those say nothing of times

    def _split_scope(self, nodeid: str) -> str:
        return _unit(nodeid.partition("::")[0])


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByUnit:
    return ByUnit(config, log)


def pytest_collection_finish() -> None:
    """What is loaded by now stays: the collector, which takes an eighth of the time, need not look at it again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 50, 50)


FIGURES: Final = pytest.StashKey[list[str]]()


@pytest.fixture(scope="session")
def tell(pytestconfig: pytest.Config) -> Callable[[str], None]:
    """Keep a line for the end of pytest's output, where it is seen of tests that pass, too."""
    return pytestconfig.stash.setdefault(FIGURES, []).append


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A worker hands on what its tests measured."""
    if "workerinput" in vars(session.config):
        session.config.workeroutput["figures"] = session.config.stash.get(FIGURES, [])  # type: ignore[attr-defined]  # of a worker


def pytest_testnodedown(node: Any) -> None:
    """Take what a worker hands on; one that died has nothing."""
    node.config.stash.setdefault(FIGURES, []).extend(getattr(node, "workeroutput", {}).get("figures", []))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> Iterator[None]:
    """What tests measured; and in the last lines, how to run again what failed."""
    lines = config.stash.get(FIGURES, [])
    if lines:
        terminalreporter.section("figures")
        for line in lines:
            terminalreporter.write_line(line)
    yield
    again = again_with([*terminalreporter.getreports("failed"), *terminalreporter.getreports("error")], os.environ)
    if again:
        terminalreporter.section("to run again what failed")
        terminalreporter.write_line(again)


SEEDS: Final = {"FAULTS_SEED": "1", drawing.ANEW: ""}
"""What a run may be told by its environment to do otherwise, and what it does untold."""
MOST_AGAIN: Final = 5


def again_with(failed: Sequence[pytest.TestReport], environment: Mapping[str, str]) -> str:
    """The command that runs again what failed, with the run's seeds.

    Tests are named without their parameters, which no shell need understand; where they are many, their modules are.
    """
    names = dict.fromkeys(report.nodeid.partition("[")[0] for report in failed)
    if len(names) > MOST_AGAIN:
        names = dict.fromkeys(name.partition("::")[0] for name in names)
    seeds = [f"{name}={seed}" for name, untold in SEEDS.items() if (seed := environment.get(name, untold))]
    return " ".join([*seeds, f'make test ARGS="{" ".join(names)}"']) if names else ""
