"""What `SET` may say, and what the template takes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from cfnlint.decode.cfn_yaml import load

from dev.deploying import RefusedError
from dev.deploying.answers import asked_for, check

PARAMETERS: dict[str, Any] = load(str(Path(__file__).parents[4] / "template.yaml"))["Parameters"]


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("", {}),
        ("LogLevel=DEBUG  PublicUrl=", {"LogLevel": "DEBUG", "PublicUrl": ""}),
        ("SenderAddresses='a@example.com, b@example.com'", {"SenderAddresses": "a@example.com, b@example.com"}),
        ('SenderAddresses="a@example.com, b@example.com" LogLevel=INFO',
         {"SenderAddresses": "a@example.com, b@example.com", "LogLevel": "INFO"}),
        ("PublicUrl=https://x.example/?a=b", {"PublicUrl": "https://x.example/?a=b"}),
    ],
)  # fmt: skip
def test_a_parameter_is_set_as_a_shell_would(text: str, read: dict[str, str]) -> None:
    assert asked_for(text) == read


@pytest.mark.parametrize("text", ["LogLevel", "InboundDomains=a.example, b.example", "LogLevel='DEBUG", "=DEBUG"])
def test_nothing_that_was_said_is_passed_over(text: str) -> None:
    with pytest.raises(RefusedError, match="SET"):
        asked_for(text)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SenderAddresses", "a@example.com, b@example.com"),
        ("InboundDomains", "a.example,b.example"),
        ("DomainName", ""),
        ("LogRetentionDays", "30"),
        ("KeyRotationDays", "0"),
        ("DeploymentStrategy", "AllAtOnce"),
    ],
)
def test_what_the_template_takes_passes(name: str, value: str) -> None:
    check({name: value}, PARAMETERS)


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("LogLvl", "DEBUG", "there is no parameter LogLvl; is it LogLevel?"),
        ("Xyzzy", "1", "there is no parameter Xyzzy"),
        ("LogLevel", "debug", "LogLevel has to be one of DEBUG, INFO, WARNING, ERROR"),
        ("LogRetentionDays", "31", "LogRetentionDays has to be one of 14, 30, 60, 90, 180, 365"),
        ("KeyRotationDays", "1001", "KeyRotationDays has to be from 0 to 1000"),
        ("KeyRotationDays", "often", "KeyRotationDays has to be from 0 to 1000"),
        ("SenderAddresses", "a@example.com, b", "SenderAddresses has to be e-?mail addresses, with commas between"),
        ("SenderAddresses", "", "SenderAddresses has to be e-?mail addresses, with commas between"),
        ("DomainName", "https://x.example", "DomainName has to be a domain in lower case"),
        ("DomainName", f"{'a' * 87}.example", "DomainName has to be a domain in lower case, of at most 90 characters"),
        ("DomainName", "x.example\n", "DomainName has to be a domain"),
    ],
)
def test_what_the_template_refuses_is_said_before_anything_is_built(name: str, value: str, why: str) -> None:
    with pytest.raises(RefusedError, match=f"^{why}"):
        check({name: value}, PARAMETERS)


def test_all_faults_are_told_at_once() -> None:
    with pytest.raises(RefusedError) as refused:
        check({"LogLevel": "x", "Nope": "", "LogRetentionDays": "30"}, PARAMETERS)
    assert str(refused.value).count("\n") == 1
