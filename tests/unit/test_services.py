"""What is left of botocore's descriptions of AWS in the vendor layer."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import botocore
import botocore.session
import pytest
from botocore.client import BaseClient

from consentry_build import services

WHOLE = Path(botocore.__file__).parent / "data"


@pytest.fixture(scope="module")
def trimmed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what botocore ships, trimmed for the functions."""
    data = tmp_path_factory.mktemp("layer") / "data"
    data.mkdir()
    for name in (*services.SERVICES, "ec2"):
        shutil.copytree(WHOLE / name, data / name)
    for file in WHOLE.glob("*.json"):
        shutil.copy(file, data)
    services.trim(data, services.CALLERS)
    return data


def client(data: Path, service: str, region: str = "eu-central-1", **settings: Any) -> BaseClient:
    """A client that knows nothing but this folder."""
    session = botocore.session.Session()
    loader = session.get_component("data_loader")
    loader.search_paths[:] = [str(data)]
    made: BaseClient = session.create_client(
        service, region, aws_access_key_id="x", aws_secret_access_key="x", **settings
    )
    return made


@pytest.mark.parametrize("service", services.SERVICES)
def test_each_operation_that_a_function_calls_is_left_and_no_other(trimmed: Path, service: str) -> None:
    model = client(trimmed, service).meta.service_model
    assert sorted(model.operation_names) == services.called()[service]
    for name in model.operation_names:
        operation = model.operation_model(name)
        for shape in (operation.input_shape, operation.output_shape, *operation.error_shapes):
            assert_whole(shape, set())


def assert_whole(shape: Any, seen: set[str]) -> None:
    """Everything that a shape consists of is there; botocore raises for what isn't."""
    if shape is None or shape.name in seen:
        return
    seen.add(shape.name)
    for each in getattr(shape, "members", {}).values():
        assert_whole(each, seen)
    for part in ("member", "key", "value"):
        assert_whole(getattr(shape, part, None), seen)


@pytest.mark.parametrize("region", ["us-east-1", "eu-central-1", "cn-north-1", "us-gov-west-1"])
@pytest.mark.parametrize("service", services.SERVICES)
def test_a_client_goes_to_the_same_endpoint_as_before(trimmed: Path, service: str, region: str) -> None:
    assert client(trimmed, service, region).meta.endpoint_url == client(WHOLE, service, region).meta.endpoint_url


def test_an_operation_that_is_only_called_by_name_is_left(tmp_path: Path) -> None:
    caller = tmp_path / "caller.py"
    caller.write_text("client.get_paginator('list_queues')\ngetattr(client, 'purge_queue')()\n")
    words = services.mentioned([caller])
    model = json.loads(services._read(next((WHOLE / "sqs").glob("*/service-2.json*"))))
    assert sorted(services.trim_model(model, words)["operations"]) == ["ListQueues", "PurgeQueue"]


def test_an_operation_that_nobody_mentions_is_refused_by_the_client(trimmed: Path) -> None:
    with pytest.raises(AttributeError, match="delete_table"):
        _ = client(trimmed, "dynamodb").delete_table  # type: ignore[attr-defined]  # made from the description


def test_a_member_that_is_called_documentation_stays(tmp_path: Path) -> None:
    model = {
        "metadata": {"endpointPrefix": "x"},
        "operations": {"Ask": {"input": {"shape": "Question"}, "documentation": "asks"}},
        "shapes": {
            "Question": {"type": "structure", "members": {"documentation": {"shape": "Text", "documentation": "a"}}},
            "Text": {"type": "string"},
            "Unused": {"type": "string"},
        },
    }
    assert services.trim_model(model, {"ask"}) == {
        "metadata": {"endpointPrefix": "x"},
        "operations": {"Ask": {"input": {"shape": "Question"}}},
        "shapes": {
            "Question": {"type": "structure", "members": {"documentation": {"shape": "Text"}}},
            "Text": {"type": "string"},
        },
    }


def test_nothing_is_left_that_has_to_be_unpacked_at_a_start(trimmed: Path) -> None:
    assert not list(trimmed.rglob("*.gz"))
    assert sum(each.stat().st_size for each in trimmed.rglob("*.json")) < 500_000
    assert not (trimmed / "ec2").exists()


def test_a_start_of_one_click_imports_no_library_beside_botocore_and_itsdangerous() -> None:
    """In an interpreter of its own, with everything that it makes before its first click."""
    program = (
        "import sys, os; sys.path.insert(0, 'functions/unsubscribe'); sys.dont_write_bytecode = True\n"
        "before = set(sys.modules)\n"
        "os.environ |= {'TABLE_NAME': 't', 'KEYRING_SECRET_ARN': 'k', 'AWS_DEFAULT_REGION': 'us-east-1'}\n"
        "import handler\n"
        "from consentry import wiring\n"
        "wiring.journeys()\n"
        "roots = {each.partition('.')[0] for each in set(sys.modules) - before}\n"
        "print(*sorted(each for each in roots if each not in sys.stdlib_module_names))\n"
        "print(*sorted(each for each in sys.modules if each.startswith('consentry.')))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)  # noqa: S603 - our own
    libraries, ours = done.stdout.splitlines()
    assert set(libraries.split()) <= {
        "botocore", "certifi", "consentry", "dateutil", "handler", "itsdangerous", "jmespath", "six", "urllib3",
    }  # fmt: skip
    assert [each.removeprefix("consentry.") for each in ours.split()] == [
        "addresses", "brands", "consent", "items", "journeys", "keyring", "ledger", "limits", "spool", "store",
        "tokens", "web", "wiring",
    ]  # fmt: skip
