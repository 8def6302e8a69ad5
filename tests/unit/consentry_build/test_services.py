"""What is left of botocore's descriptions of AWS in the vendor layer."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import botocore
import botocore.session
import pytest
from botocore import xform_name
from botocore.awsrequest import AWSResponse
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


CALLS = [(service, operation) for service, operations in services.called().items() for operation in operations]


def request(data: Path, service: str, operation: str) -> tuple[str, str, bytes, dict[str, Any]]:
    """What leaves a client that is called with everything that the operation takes; the call is answered, and read."""
    sent: list[Any] = []

    def answer(request: Any, **_: Any) -> AWSResponse:
        sent.append(request)
        return AWSResponse(request.url, 200, {}, Empty())

    made = client(data, service)
    made.meta.events.register("before-send", answer)
    shape = made.meta.service_model.operation_model(operation).input_shape
    arguments = {name: example(each) for name, each in shape.members.items()}
    arguments.pop("EndpointId", None)  # SES's endpoints of many regions want a library that no layer has
    getattr(made, xform_name(operation))(**arguments)
    (request,) = sent
    body = request.body.read() if hasattr(request.body, "read") else request.body or b""
    return request.method, request.url, body, dict(request.headers)


def example(shape: Any) -> Any:
    """Something of this shape: of what lies deeper, only what must be there."""
    if shape.type_name == "structure":
        needed = list(shape.members)[:1] if shape.is_tagged_union else shape.required_members
        return {name: example(shape.members[name]) for name in needed}
    if shape.type_name == "list":
        return [example(shape.member)]
    if shape.type_name == "map":
        return {"key": example(shape.value)}
    if shape.type_name == "string":
        return shape.enum[0] if shape.enum else "x" * max(3, shape.metadata.get("min", 0))
    plain = {"boolean": True, "blob": b"x", "timestamp": datetime(2027, 1, 1, tzinfo=UTC)}
    return plain.get(shape.type_name, max(1, shape.metadata.get("min", 1)))


class Empty(io.BytesIO):
    """The body of an answer, as urllib3 would hand it over."""

    def stream(self, *_: Any, **__: Any) -> list[bytes]:
        return []


@pytest.mark.parametrize(("service", "operation"), CALLS)
def test_a_call_leaves_as_it_would_with_all_that_botocore_ships(trimmed: Path, service: str, operation: str) -> None:
    *left, headers = request(trimmed, service, operation)
    *whole, expected = request(WHOLE, service, operation)
    assert (left, set(headers)) == (whole, set(expected)), "the headers' values are signatures, and of this moment"


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


CHAIN = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=0;Lineage=2:a1b2c3d4:0"
"""As Lambda's runtime sets it before each call of a function."""


@pytest.mark.parametrize(("service", "operation"), [("sqs", "SendMessage"), ("s3", "PutObject")])
def test_what_a_function_sends_says_which_chain_of_calls_it_belongs_to(
    trimmed: Path, monkeypatch: pytest.MonkeyPatch, service: str, operation: str
) -> None:
    """So Lambda finds loops, and ends ours after some 16 rounds: `RecursiveLoop: Allow` in the template is why it
    doesn't. A botocore that passes the chain on otherwise, or no more, is reason to look at that again.

    https://docs.aws.amazon.com/lambda/latest/dg/invocation-recursion.html
    """
    monkeypatch.setenv("_X_AMZN_TRACE_ID", CHAIN)
    monkeypatch.delenv("AWS_LAMBDA_FUNCTION_NAME", raising=False)
    assert "X-Amzn-Trace-Id" not in request(trimmed, service, operation)[3], "not in Lambda"
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "courier")
    assert request(trimmed, service, operation)[3]["X-Amzn-Trace-Id"] == CHAIN.encode()


def test_nothing_is_left_that_has_to_be_unpacked_at_a_start(trimmed: Path) -> None:
    assert not list(trimmed.rglob("*.gz"))
    assert sum(each.stat().st_size for each in trimmed.rglob("*.json")) < 500_000
    assert not (trimmed / "ec2").exists()


def test_a_start_of_one_click_imports_no_library_beside_botocore_and_itsdangerous() -> None:
    """In an interpreter of its own, with everything that it makes before its first click."""
    program = (
        "import sys, os; sys.path.insert(0, 'functions/oneclick'); sys.dont_write_bytecode = True\n"
        "before = set(sys.modules)\n"
        "os.environ |= {'TABLE_NAME': 't', 'KEYRING_SECRET_ARN': 'k', 'SPOOL_QUEUE_URL': 'q'}\n"
        "os.environ['AWS_DEFAULT_REGION'] = 'us-east-1'\n"
        "import handler\n"
        "handler.deployment.opt_outs\n"
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
        "actions", "actions.circumstances", "actions.opting_out", "actions.spool", "aws", "aws.clients", "aws.secrets",
        "deployment", "http", "http.web", "links", "links.keyring", "links.tokens", "rules", "rules.addresses",
        "rules.brands", "rules.consent", "rules.ledger", "rules.mailbox_providers", "settings", "table",
        "table.gateway", "table.limits", "table.schema", "table.store", "table.writing", "telemetry",
    ]  # fmt: skip
