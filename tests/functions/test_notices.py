"""The words of notices: kept when a version is deployed, and read by their version for as long as the archive lives."""

from __future__ import annotations

import json
from typing import Any

import pytest

from consentry.aws import stack_requests
from consentry.rules import notices
from consentry.rules.brands import Brands
from support import archives, calls
from support.archives import BUCKET
from support.world import Answer, World

OLD, OLD_TEXT = notices.write({"brand": "meadow", "languages": {"en": {"form": "Old words"}}})


@pytest.fixture
def answered(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str, dict[str, Any]]]:
    """What CloudFormation was sent: method, address, body."""
    sent: list[tuple[str, str, dict[str, Any]]] = []

    class Taken:
        status = 200

    def request(method: str, url: str, *, body: str, **_: Any) -> Taken:
        sent.append((method, url, json.loads(body)))
        return Taken()

    monkeypatch.setattr(stack_requests.urllib3, "request", request)
    return sent


@pytest.fixture
def archived(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """A deployment with an archive; its function waits for nothing."""
    archives.create_bucket(world.s3)
    world.deploy(archive_bucket=BUCKET, archive_queue_url="https://sqs.example/archive", archive_segments=1)
    monkeypatch.setattr("time.sleep", lambda _: None)
    return world


def ask(world: World, kind: str = "Create") -> None:
    """CloudFormation's request."""
    world.function("archive").handler(
        {
            "RequestType": kind,
            "ResponseURL": "https://answers.example/secret",
            "StackId": "stack",
            "RequestId": "request",
            "LogicalResourceId": "Notices",
            "ResourceProperties": {"Words": "layer:1"},
        },
        None,
    )


def read(world: World, version: str, **key: Any) -> Answer:
    return world.api("GET", f"/v1/notices/{version}", key=world.api_key(**key))


def version(world: World, brand: str = "demo") -> str:
    found = world.deployment.brands.get(brand)
    assert found
    return found.notice


def test_the_words_are_in_the_locked_archive_before_the_deployment_goes_on(archived: World, answered: Any) -> None:
    ask(archived)
    held = archives.objects(archived.s3)
    assert sorted(held) == sorted(notices.key(each.notice) for each in archived.deployment.brands)
    assert all(notices.version_of(text) == notices.version_in(name) for name, text in held.items())
    ((method, url, body),) = answered
    assert (method, url) == ("PUT", "https://answers.example/secret")
    assert (body["Status"], body["PhysicalResourceId"], body["StackId"]) == ("SUCCESS", "notices", "stack")


def test_a_second_deployment_writes_only_what_is_new_and_another_version_leaves_the_old_words(
    archived: World, answered: Any
) -> None:
    ask(archived)
    first = {each["VersionId"] for each in archived.s3.list_object_versions(Bucket=BUCKET)["Versions"]}
    archived.s3.put_object(Bucket=BUCKET, Key=notices.key(OLD), Body=OLD_TEXT, ChecksumAlgorithm="SHA256")
    archived.s3.delete_object(Bucket=BUCKET, Key=notices.key(version(archived)))
    ask(archived, "Update")
    versions = archived.s3.list_object_versions(Bucket=BUCKET)["Versions"]
    assert len({each["VersionId"] for each in versions} - first) == 2, "the old one, and what had been hidden"
    assert [body["Status"] for *_, body in answered] == ["SUCCESS", "SUCCESS"]
    assert read(archived, OLD).json["languages"]["en"]["form"] == "Old words"


def test_a_stack_that_is_deleted_takes_nothing_out(archived: World, answered: Any) -> None:
    ask(archived)
    held = archives.objects(archived.s3)
    with calls.failing(archived.deployment.notices._archived._client, "SlowDown"):  # type: ignore[union-attr]
        ask(archived, "Delete")
    assert archives.objects(archived.s3) == held
    assert answered[-1][2]["Status"] == "SUCCESS"


def test_a_deployment_whose_words_cannot_be_kept_fails_and_says_where_to_look(archived: World, answered: Any) -> None:
    with calls.failing(archived.deployment.notices._archived._client, "AccessDenied"):  # type: ignore[union-attr]
        ask(archived)
    assert answered[0][2]["Status"] == "FAILED"
    assert "the log of the archive's function says why" in answered[0][2]["Reason"]


def test_a_role_that_is_known_late_is_waited_for(archived: World, answered: Any) -> None:
    client = archived.deployment.notices._archived._client  # type: ignore[union-attr]
    with calls.answering(client, "PutObject", "AccessDenied", "AccessDenied"):
        ask(archived)
    assert answered[0][2]["Status"] == "SUCCESS"
    assert len(archives.objects(archived.s3)) == 2


@pytest.mark.parametrize("fault", ["refused", "unreachable"])
def test_an_answer_that_cloudformation_did_not_get_is_given_again_and_its_address_is_in_no_log(
    archived: World, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    """Lambda calls a function again that failed."""

    class Refused:
        status = 403

    def request(_: str, url: str, **__: Any) -> Refused:
        if fault == "refused":
            return Refused()
        raise stack_requests.urllib3.exceptions.HTTPError(url)

    monkeypatch.setattr(stack_requests.urllib3, "request", request)
    with pytest.raises(stack_requests.UnansweredError) as raised:
        ask(archived)
    assert "secret" not in str(raised.value)
    assert raised.value.__cause__ is None


# --- reading them -----------------------------------------------------------------------------------------------------


def test_a_platform_reads_the_words_of_an_event_in_every_language(world: World) -> None:
    answer = read(world, version(world))
    assert answer.status == 200
    assert answer.json["version"] == version(world)
    assert answer.json["brand"] == "demo"
    assert list(answer.json["languages"]) == ["ar", "de", "en", "es", "fr"]
    german = answer.json["languages"]["de"]
    assert {"form", "mail", "page", "topics", "brand"} <= set(german)
    assert "Geschichten aus dem Garten" in german["form"]


def test_the_words_outlive_a_changed_file_and_the_brand_itself(archived: World, answered: Any) -> None:
    archived.s3.put_object(Bucket=BUCKET, Key=notices.key(OLD), Body=OLD_TEXT, ChecksumAlgorithm="SHA256")
    assert read(archived, OLD).json == {"version": OLD, **json.loads(OLD_TEXT)}
    key = archived.api_key()
    archived.deployment.brands = Brands(())
    assert archived.api("GET", f"/v1/notices/{OLD}", key=key).json["brand"] == "meadow"
    assert archived.api("GET", "/v1/subscribers/K9Xdq1X4AVefMXC3P9olGg", key=key).status == 403
    assert archived.api("GET", f"/v1/notices/{OLD}", key=archived.api_key(scopes=("write",))).status == 403
    assert archived.api("GET", f"/v1/notices/{OLD}").status == 401


@pytest.mark.parametrize("name", ["0" * 32, "1234567890ab", "..%2Fledger", "brands"])
def test_of_what_nobody_has_that_is_said(archived: World, name: str) -> None:
    answer = read(archived, name)
    assert (answer.status, answer.headers["content-type"]) == (404, "application/problem+json")


def test_words_that_were_put_in_the_place_of_others_are_not_shown(archived: World) -> None:
    archived.s3.put_object(Bucket=BUCKET, Key=notices.key(OLD), Body=b'{"brand":"x"}', ChecksumAlgorithm="SHA256")
    assert read(archived, OLD).status == 404


def test_without_an_archive_the_present_words_alone_are_held(world: World) -> None:
    world.deploy(archive_bucket="")
    assert read(world, version(world)).status == 200
    assert read(world, OLD).status == 404
    assert world.deployment.notices.keep() == 0


def test_while_the_archive_is_unavailable_a_platform_is_asked_to_wait(archived: World) -> None:
    with calls.failing(archived.deployment.notices._archived._client, "SlowDown"):  # type: ignore[union-attr]
        assert read(archived, OLD).status == 503
        assert read(archived, version(archived)).status == 200, "what runs has its own"
