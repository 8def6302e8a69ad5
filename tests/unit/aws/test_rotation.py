"""Rotation: a brand gets a new key, and nobody's link stops working for it."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consentry.aws import rotation
from consentry.aws.keyring_document import edit, issue_api_key
from consentry.links.keyring import OVERLAP_MS, Keyring, SecretUnavailableError, generations
from consentry.links.tokens import Link, NotOursError, Purpose, Tokens
from support.quick_moto import mock_aws

if TYPE_CHECKING:
    from collections.abc import Iterator

NOW = 1_800_000_000_000
HOUR = 3_600_000
LEAVE = Link(Purpose.UNSUBSCRIBE, "demo", "K9Xdq1X4AVefMXC3P9olGg", ("news",))
PREFERENCES = LEAVE._replace(purpose=Purpose.PREFERENCES, topics=())


class Place:
    """A document that containers read, and the time."""

    def __init__(self) -> None:
        self.document: dict[str, Any] = {"root": "r"}
        self.now = NOW
        self.unavailable = False

    def fetch(self) -> str:
        if self.unavailable:
            raise SecretUnavailableError("unavailable")
        return json.dumps(self.document)

    def container(self) -> Tokens:
        return Tokens(Keyring(self.fetch, lambda: self.now / 1_000, lambda: self.now / 1_000))

    def ids(self) -> list[str]:
        return [each.id for each in generations(self.document, "demo")]


def test_a_new_key_signs_only_when_every_container_can_verify_it() -> None:
    place = Place()
    container = place.container()
    before = container.sign(LEAVE)
    rotation.add(place.document, "demo", place.now)
    place.now += OVERLAP_MS - 1
    during = place.container().sign(LEAVE)
    assert during == before
    place.now += 1
    after = place.container().sign(LEAVE)
    assert after != before
    for each in (container, place.container()):
        for token in (before, after):
            assert each.read(Purpose.UNSUBSCRIBE, token, place.now) == LEAVE


def test_a_container_that_lives_on_changes_over_by_itself() -> None:
    place = Place()
    rotation.add(place.document, "demo", place.now)
    container = place.container()
    before = container.sign(LEAVE)
    place.now += OVERLAP_MS
    place.unavailable = True
    assert container.sign(LEAVE) != before


def test_a_new_key_cannot_be_told_from_the_root() -> None:
    one, other = Place(), Place()
    for each in (one, other):
        rotation.add(each.document, "demo", NOW)
    assert generations(one.document, "demo")[1].key != generations(other.document, "demo")[1].key
    assert generations(one.document, "demo")[0].key == generations(other.document, "demo")[0].key


def test_a_second_rotation_waits_for_the_first_unless_it_is_urgent() -> None:
    place = Place()
    assert rotation.add(place.document, "demo", NOW)
    assert rotation.add(place.document, "demo", NOW + 1) is None
    urgent = rotation.add(place.document, "demo", NOW + 1, urgent=True)
    assert urgent
    assert urgent.signs_from == NOW + 1 + 120_000


def test_a_token_of_a_key_that_cannot_be_fetched_is_not_called_forged() -> None:
    """So an opt-out with it waits in the spool, as when there are no keys at all."""
    place = Place()
    container = place.container()
    container.sign(LEAVE)
    rotation.add(place.document, "demo", place.now, urgent=True)
    place.now += 120_000
    token = place.container().sign(LEAVE)
    place.unavailable = True
    for later in (0, 1_000):
        place.now += later
        with pytest.raises(SecretUnavailableError):
            container.read(Purpose.UNSUBSCRIBE, token, place.now)
    place.unavailable = False
    place.now += 60_000
    assert container.read(Purpose.UNSUBSCRIBE, token, place.now) == LEAVE


# --- retiring -------------------------------------------------------------------------------------------------------


def rotated() -> Place:
    place = Place()
    place.old = {each.purpose: place.container().sign(each) for each in (LEAVE, PREFERENCES)}  # type: ignore[attr-defined]
    rotation.add(place.document, "demo", place.now)
    place.now += 2 * OVERLAP_MS
    return place


def test_a_retired_key_still_opts_out_and_does_nothing_else() -> None:
    place: Any = rotated()
    rotation.retire(place.document, "demo", "1", place.now)
    container = place.container()
    assert container.read(Purpose.UNSUBSCRIBE, place.old[Purpose.UNSUBSCRIBE], place.now) == LEAVE
    with pytest.raises(NotOursError):
        container.read(Purpose.PREFERENCES, place.old[Purpose.PREFERENCES], place.now)


def test_a_leaked_key_does_nothing_until_it_is_restored() -> None:
    place: Any = rotated()
    rotation.retire(place.document, "demo", "1", place.now)
    rotation.retire(place.document, "demo", "1", place.now, leaked=True)
    for purpose, token in place.old.items():
        with pytest.raises(NotOursError):
            place.container().read(purpose, token, place.now)
    rotation.restore(place.document, "demo", "1")
    for purpose, token in place.old.items():
        assert place.container().read(purpose, token, place.now)
    with pytest.raises(rotation.RefusedError, match="isn't retired"):
        rotation.restore(place.document, "demo", "1")


def test_a_key_that_signs_or_may_still_sign_is_not_retired() -> None:
    place = Place()
    for leaked in (False, True):
        with pytest.raises(rotation.RefusedError, match="may still sign"):
            rotation.retire(place.document, "demo", "1", place.now, leaked=leaked)
    rotation.add(place.document, "demo", place.now)
    place.now += OVERLAP_MS
    for key_id in ("1", "2"):
        with pytest.raises(rotation.RefusedError, match="may still sign"):
            rotation.retire(place.document, "demo", key_id, place.now)
    rotation.retire(place.document, "demo", "1", place.now, leaked=True)  # a leak doesn't wait
    with pytest.raises(rotation.RefusedError, match="has no key 7"):
        rotation.retire(place.document, "demo", "7", place.now)


@pytest.mark.parametrize(
    "entry",
    [{"signing": [{"id": "2"}]}, {"signing": [{"id": "2", "secret": "s", "signs_from": "x"}]}, {"retired": {"1": 5}}],
)
def test_a_life_that_somebody_broke_leaves_the_keys_of_before_in_use(entry: dict[str, Any]) -> None:
    place = Place()
    container = place.container()
    token = container.sign(LEAVE)
    place.document["brands"] = {"demo": entry}
    place.now += 2 * HOUR
    assert container.read(Purpose.UNSUBSCRIBE, token, place.now) == LEAVE


STEPS = st.one_of(
    st.tuples(st.just("pass"), st.integers(0, 3 * HOUR)),
    st.tuples(st.just("rotate"), st.booleans()),
    st.tuples(st.just("retire"), st.integers(1, 4)),
    st.tuples(st.just("sign"), st.integers(0, 3)),
    st.tuples(st.just("start"), st.integers(0, 3)),
    st.tuples(st.just("garbage"), st.integers(0, 3)),
    st.tuples(st.just("unavailable"), st.booleans()),
)


class Fleet:
    """Four containers, whose keyrings are of different ages, and the links that they signed."""

    def __init__(self) -> None:
        self.place = Place()
        self.containers = [self.place.container() for _ in range(4)]
        self.links = [each.sign(LEAVE) for each in self.containers]

    def do(self, step: str, what: Any) -> None:
        match step:
            case "pass":
                self.place.now += what
            case "rotate":
                rotation.add(self.place.document, "demo", self.place.now, urgent=what)
            case "retire":
                with suppress(rotation.RefusedError):
                    rotation.retire(self.place.document, "demo", str(what), self.place.now)
            case "start" if not self.place.unavailable:
                self.containers[what] = self.place.container()
                self.containers[what].sign(LEAVE)
            case "unavailable":
                self.place.unavailable = what
            case "sign":
                self.links.append(self.containers[what].sign(LEAVE))
            case "garbage":
                with pytest.raises((NotOursError, SecretUnavailableError)):
                    self.containers[what].read(Purpose.UNSUBSCRIBE, LEAVE_BY_NOBODY, self.place.now)

    def unknown(self) -> int:
        """How often a container can't tell; a link that is refused raises."""
        unknown = 0
        for container in self.containers:
            for token in self.links:
                try:
                    assert container.read(Purpose.UNSUBSCRIBE, token, self.place.now) == LEAVE
                except SecretUnavailableError:
                    unknown += 1
        return unknown


@settings(max_examples=300)
@given(st.lists(STEPS, max_size=25))
def test_no_order_of_rotating_fetching_and_signing_makes_a_container_refuse_an_opt_out(steps: list[Any]) -> None:
    """At most it says that it can't tell while the keyring is unavailable; the opt-out waits for a minute after."""
    fleet, was_unavailable = Fleet(), False
    for step, what in steps:
        fleet.do(step, what)
        was_unavailable = was_unavailable or fleet.place.unavailable
        assert fleet.unknown() == 0 or was_unavailable
    fleet.place.unavailable = False
    fleet.place.now += 60_000
    assert fleet.unknown() == 0


LEAVE_BY_NOBODY = Tokens(Keyring(lambda: '{"root": "another"}')).sign(LEAVE)


# --- the steps of Secrets Manager -----------------------------------------------------------------------------------

VERSION = "11111111-1111-4111-8111-111111111111"


@pytest.fixture
def secrets() -> Iterator[Any]:
    with mock_aws():
        client = boto3.client("secretsmanager")
        client.create_secret(Name="keyring", SecretString=json.dumps({"root": "r", "brands": {"gone": {}}}))
        yield client


def document(secrets: Any) -> Any:
    return json.loads(secrets.get_secret_value(SecretId="keyring", VersionStage="AWSCURRENT")["SecretString"])


def stages(secrets: Any) -> Any:
    return secrets.describe_secret(SecretId="keyring")["VersionIdsToStages"]


def test_every_step_can_come_twice_and_every_brand_gets_one_key(secrets: Any) -> None:
    for _ in range(2):
        rotation.create(secrets, "keyring", VERSION, ["demo"], NOW)
    assert document(secrets)["brands"] == {"gone": {}}
    for _ in range(2):
        rotation.test(secrets, "keyring", VERSION)
    for _ in range(2):
        rotation.finish(secrets, "keyring", VERSION, NOW + 60_000)
    for brand in ("demo", "gone"):
        one, two = generations(document(secrets), brand)
        assert (one.id, two.id) == ("1", "2")
        assert two.signs_from >= NOW + 60_000 + OVERLAP_MS
    assert stages(secrets)[VERSION] == ["AWSCURRENT"]


def test_what_somebody_changed_during_a_rotation_is_kept(secrets: Any) -> None:
    rotation.create(secrets, "keyring", VERSION, ["demo"], NOW)
    issue_api_key(secrets, "keyring", "demo", ["read"])
    theirs = edit(secrets, "keyring", lambda held: rotation.add(held, "demo", NOW))
    rotation.test(secrets, "keyring", VERSION)
    for _ in range(2):
        rotation.finish(secrets, "keyring", VERSION, NOW)
    held = document(secrets)
    assert len(held["brands"]["demo"]["api_keys"]) == 1
    lives = generations(held, "demo")
    assert [each.id for each in lives] == ["1", "2", "3"]
    assert theirs in lives
    assert [label for labels in stages(secrets).values() for label in labels if label == "AWSPENDING"] == []


def test_a_rotation_that_is_finished_late_signs_late(secrets: Any) -> None:
    rotation.create(secrets, "keyring", VERSION, ["demo"], NOW)
    rotation.finish(secrets, "keyring", VERSION, NOW + 24 * HOUR)
    assert generations(document(secrets), "demo")[1].signs_from == NOW + 24 * HOUR + OVERLAP_MS


def test_a_pending_document_that_would_refuse_links_ends_the_rotation(secrets: Any) -> None:
    secrets.put_secret_value(
        SecretId="keyring",
        ClientRequestToken=VERSION,
        SecretString=json.dumps({"root": "another", "brands": {"demo": {}}}),
        VersionStages=["AWSPENDING"],
    )
    with pytest.raises(rotation.UnfitError) as caught:
        rotation.test(secrets, "keyring", VERSION)
    assert "another" not in str(caught.value)
