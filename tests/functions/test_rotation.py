"""The rotation function: Secrets Manager's four steps, and what recipients' links do meanwhile."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from consentry.links.keyring import OVERLAP_MS, Keyring
from consentry.links.tokens import Link, Purpose, Tokens

if TYPE_CHECKING:
    from support.world import World

VERSION = "11111111-1111-4111-8111-111111111111"
STEPS = ("createSecret", "setSecret", "testSecret", "finishSecret")


def step(world: World, name: str, secret_id: str = "") -> None:
    secret_id = secret_id or os.environ["KEYRING_SECRET_ARN"]
    world.function("rotation").handler({"Step": name, "SecretId": secret_id, "ClientRequestToken": VERSION}, None)


def read(world: World) -> str:
    return str(world.secrets.get_secret_value(SecretId="keyring", VersionStage="AWSCURRENT")["SecretString"])


@pytest.mark.parametrize(("name", "secret_id"), [("createSecret", "arn:of:another"), ("dropSecret", ""), ("", "")])
def test_what_is_no_step_of_ours_changes_nothing(world: World, name: str, secret_id: str) -> None:
    before = read(world)
    with pytest.raises(ValueError, match=r"keyring|step"):
        step(world, name, secret_id)
    assert read(world) == before


def test_links_of_before_during_and_after_a_rotation_all_opt_out(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = world.now / 1_000

    def fresh_container() -> Any:
        keyring = Keyring(lambda: read(world), lambda: seconds, lambda: seconds)
        return Tokens(keyring)

    link = Link(Purpose.UNSUBSCRIBE, "demo", world.subscriber_id(), ("news",))
    old = fresh_container()
    minted = [old.sign(link)]
    for each in STEPS:
        step(world, each)
        minted.append(fresh_container().sign(link))
    assert len(set(minted)) == 1
    lives = Keyring(lambda: read(world)).generations("demo")
    assert lives[1].signs_from >= OVERLAP_MS
    seconds = lives[1].signs_from / 1_000
    minted.append(fresh_container().sign(link))
    assert len(set(minted)) == 2
    assert [each.id for each in lives] == ["1", "2"]
    for container in (old, fresh_container()):
        for token in minted:
            assert container.read(Purpose.UNSUBSCRIBE, token, int(seconds * 1_000)) == link
    world.deploy()
    world.deployment.tokens = old
    for token in minted:
        assert world.post(f"/u/{token}", body="List-Unsubscribe=One-Click").status == 200
