"""The keyring: every brand has its keys at once and for good, and nobody else's."""

from __future__ import annotations

import hashlib
import hmac
import json
from itertools import combinations
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from consentry.aws.keyring_document import (
    add_notification_secret,
    api_keys,
    drop_old_notification_secret,
    issue_api_key,
    revoke_api_key,
    set_webhook_secrets,
    webhook_names,
)
from consentry.links.keyring import SCOPES, Keyring, SecretUnavailableError, hash_api_key

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = "a root for good"


class Secret:
    """The document in Secrets Manager, and a clock; counts how often it is fetched."""

    def __init__(self, document: object) -> None:
        self.text = document if isinstance(document, str) else json.dumps(document)
        self.unavailable = False
        self.fetched = 0
        self.now = 1_000.0
        self.keyring = Keyring(self.fetch, lambda: self.now, lambda: self.now)

    def fetch(self) -> str:
        self.fetched += 1
        if self.unavailable:
            raise SecretUnavailableError("unavailable")
        return self.text

    def holds(self, document: object) -> None:
        self.text = document if isinstance(document, str) else json.dumps(document)


class SecretsManager:
    """Three calls of Secrets Manager; `meanwhile` is what somebody else does once, before a label is moved."""

    def __init__(self, text: str) -> None:
        self.versions = {"first": text}
        self.current = "first"
        self.meanwhile: list[Callable[[], object]] = []
        self.loses_answers = 0

    @property
    def text(self) -> str:
        return self.versions[self.current]

    def get_secret_value(self, *, SecretId: str, VersionStage: str) -> dict[str, Any]:  # noqa: N803 - AWS spells it so
        return {"SecretString": self.text, "VersionId": self.current}

    def put_secret_value(
        self,
        *,
        SecretId: str,  # noqa: N803 - AWS spells it so
        ClientRequestToken: str,  # noqa: N803 - as above
        SecretString: str,  # noqa: N803 - as above
        VersionStages: list[str],  # noqa: N803 - as above
    ) -> None:
        assert "AWSCURRENT" not in VersionStages
        self.versions[ClientRequestToken] = SecretString

    def update_secret_version_stage(
        self,
        *,
        SecretId: str,  # noqa: N803 - AWS spells it so
        VersionStage: str,  # noqa: N803 - as above
        RemoveFromVersionId: str,  # noqa: N803 - as above
        MoveToVersionId: str = "",  # noqa: N803 - as above
    ) -> None:
        if VersionStage != "AWSCURRENT":
            return
        if self.meanwhile:
            self.meanwhile.pop()()
        if self.current != RemoveFromVersionId:
            raise ClientError({"Error": {"Code": "InvalidParameterException"}}, "UpdateSecretVersionStage")
        self.current = MoveToVersionId
        if self.loses_answers:
            self.loses_answers -= 1
            raise ClientError({"Error": {"Code": "InvalidParameterException"}}, "UpdateSecretVersionStage")


def derived(use: str, brand: str, generation: str) -> bytes:
    """Written down from the decision on keys, not from the code."""
    return hmac.new(ROOT.encode(), f"consentry/1/{use}/{brand}/{generation}".encode(), hashlib.sha256).digest()


# --- when it can't be read -----------------------------------------------------------------------------------------

USES: list[Callable[[Keyring], object]] = [
    lambda keyring: keyring.signing_keys("demo"),
    lambda keyring: keyring.pepper("demo"),
    lambda keyring: keyring.ledger_key("demo"),
    lambda keyring: keyring.limit_key("demo"),
    lambda keyring: keyring.api_key("ck_demo_x"),
]


@pytest.mark.parametrize("use", USES)
def test_without_the_secret_nothing_can_be_verified_until_it_is_back(use: Callable[[Keyring], object]) -> None:
    secret = Secret({"root": ROOT})
    secret.unavailable = True
    for _ in range(2):
        with pytest.raises(SecretUnavailableError):
            use(secret.keyring)
    secret.unavailable = False
    use(secret.keyring)


@pytest.mark.parametrize("text", ["", "not json", "[]", "null", '"root"', "{}", '{"root": ""}', '{"root": 5}'])
def test_a_document_that_somebody_broke_is_a_secret_that_is_unavailable(text: str) -> None:
    secret = Secret(text)
    with pytest.raises(SecretUnavailableError) as caught:
        secret.keyring.pepper("demo")
    assert caught.value.__context__ is None  # a JSON error holds the whole document


@pytest.mark.parametrize("text", ["", '{"root": ', "{}"])
def test_a_document_broken_later_leaves_the_keys_of_before_in_use(text: str) -> None:
    """Opt-outs go on while an operator fixes it."""
    secret = Secret({"root": ROOT})
    keys = secret.keyring.signing_keys("demo")
    secret.holds(text)
    secret.now += 60
    with pytest.raises(SecretUnavailableError):
        secret.keyring.refresh()
    assert secret.keyring.signing_keys("demo") == keys
    assert secret.keyring.signing_keys("new") == (derived("sign", "new", "1"),)


def test_a_failed_refresh_is_not_repeated_within_a_minute() -> None:
    secret = Secret({"root": ROOT})
    secret.keyring.pepper("demo")
    secret.unavailable = True
    for later in (60, 59):
        secret.now += later
        with pytest.raises(SecretUnavailableError):
            secret.keyring.refresh()
    assert secret.fetched == 2
    secret.unavailable = False
    secret.now += 1
    assert secret.keyring.refresh() is True


def test_a_document_can_be_renewed_however_young_it_seems() -> None:
    """A snapshot's clock stands still between its making and its waking up."""
    secret = Secret({"root": ROOT})
    keys = secret.keyring.signing_keys("demo")
    assert secret.keyring.refresh() is False
    assert secret.keyring.renew() is True
    assert secret.fetched == 2
    secret.unavailable = True
    assert secret.keyring.renew() is False
    assert secret.keyring.signing_keys("demo") == keys


# --- keys ----------------------------------------------------------------------------------------------------------


def test_keys_are_those_that_were_always_derived() -> None:
    """Known vectors: other peppers would cut every opt-out from its person, other keys every link from its email."""
    keyring = Secret({"root": ROOT}).keyring
    assert keyring.signing_keys("demo") == (derived("sign", "demo", "1"),)
    assert keyring.pepper("demo") == derived("pepper", "demo", "")
    assert keyring.ledger_key("demo") == derived("ledger", "demo", "")
    assert keyring.limit_key("demo") == derived("limit", "demo", "")
    assert keyring.pepper("demo").hex().startswith("f8fba7544f8411fb4208233c22cdaf65")


def test_a_brand_has_keys_before_anybody_made_some_and_after_its_file_is_gone() -> None:
    keyring = Secret({"root": ROOT, "brands": {"other": {}}}).keyring
    assert len(keyring.signing_keys("never-seen")) == len(keyring.signing_keys("other")) == 1


def test_no_two_uses_or_brands_share_a_key() -> None:
    keyring = Secret({"root": ROOT, "brands": {"demo": {"generations": ["1", "2"]}}}).keyring
    keys = [
        *keyring.signing_keys("demo"),
        *keyring.signing_keys("other"),
        *(use(brand) for use in (keyring.pepper, keyring.ledger_key, keyring.limit_key) for brand in ("demo", "other")),
    ]
    assert len(keys) == 9
    assert all(one != other for one, other in combinations(keys, 2))


def test_a_rotation_adds_a_key_and_keeps_pepper_and_ledger_key() -> None:
    secret = Secret({"root": ROOT})
    before = (secret.keyring.pepper("demo"), secret.keyring.ledger_key("demo"))
    old = secret.keyring.signing_keys("demo")
    secret.holds({"root": ROOT, "brands": {"demo": {"generations": ["1", "2"]}}})
    assert secret.keyring.signing_keys("demo") == old
    secret.now += 60
    assert secret.keyring.refresh() is True
    assert secret.keyring.signing_keys("demo") == (*old, derived("sign", "demo", "2"))
    assert (secret.keyring.pepper("demo"), secret.keyring.ledger_key("demo")) == before


def test_keys_are_fetched_anew_once_an_hour_however_many_are_asked_for() -> None:
    secret = Secret({"root": ROOT})
    for brand in ("demo", "other", "demo"):
        secret.keyring.signing_keys(brand)
        secret.keyring.pepper(brand)
        secret.keyring.ledger_key(brand)
        secret.now += 1_200
    assert secret.fetched == 1
    secret.now += 1
    for _ in range(3):
        secret.keyring.signing_keys("demo")
    assert secret.fetched == 2


def test_what_is_remembered_of_made_up_brands_is_bounded() -> None:
    keyring = Secret({"root": ROOT}).keyring
    for number in range(2_500):
        keyring.signing_keys(f"b{number}")
        keyring.pepper(f"b{number}")
    assert len(keyring._signing) <= 1_001
    assert len(keyring._derived) <= 1_001


# --- API keys ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "presented", ["", "ck_", "ck_demo_00000000_guess", "Bearer", "\ud800", "ck_\ud800", "x" * 100_000]
)
def test_a_key_that_nobody_issued_opens_nothing(presented: str) -> None:
    secret = Secret({"root": ROOT})
    issue(secret, "demo", ["read"])
    assert secret.keyring.api_key(presented) is None


def test_scopes_that_dont_exist_are_refused() -> None:
    secret = Secret({"root": ROOT})
    for scopes in ([], ["admin"], ["read", "admin"]):
        with pytest.raises(ValueError, match="read, write, erase"):
            issue(secret, "demo", scopes)


def test_an_issued_key_works_at_once_for_its_brand_and_scopes() -> None:
    """The container knows it after one fetch; the document holds its hash alone."""
    secret = Secret({"root": ROOT})
    secret.keyring.pepper("demo")
    read, every = issue(secret, "demo", ["read"]), issue(secret, "other", SCOPES)
    assert read not in secret.text
    assert read.split("_", 3)[3] not in secret.text
    assert hash_api_key(read) in secret.text
    secret.now += 60
    found, other = secret.keyring.api_key(read), secret.keyring.api_key(every)
    assert found is not None
    assert other is not None
    assert (found.brand, found.scopes) == ("demo", {"read"})
    assert (other.brand, other.scopes) == ("other", set(SCOPES))
    assert found.key_id != other.key_id
    assert secret.fetched == 2


def test_guessed_keys_fetch_the_document_at_most_once_a_minute() -> None:
    secret = Secret({"root": ROOT})
    for number in range(5):
        secret.now += 15
        assert secret.keyring.api_key(f"ck_guess{number}") is None
        assert secret.keyring.api_key("not even a key") is None
    assert secret.fetched == 2


def test_issuing_a_key_changes_nothing_else_in_the_document() -> None:
    entry = {"generations": ["1", "2"], "api_keys": [{"id": "a", "sha256": "b", "scopes": ["read"]}]}
    secret = Secret({"root": ROOT, "brands": {"demo": entry, "other": {}}})
    issue(secret, "demo", ["read", "read"])
    document = json.loads(secret.text)
    added = document["brands"]["demo"]["api_keys"].pop()
    assert document == {"root": ROOT, "brands": {"demo": entry, "other": {}}}
    assert added["scopes"] == ["read"]


def test_a_key_that_was_revoked_opens_nothing_after_five_minutes() -> None:
    secret = Secret({"root": ROOT})
    kept, revoked = issue(secret, "demo", ["read"]), issue(secret, "demo", ["write"])
    client = SecretsManager(secret.text)
    (_, of_kept), (key_id, of_revoked) = api_keys(client, "keyring", "demo")
    assert (of_kept, of_revoked) == (["read"], ["write"])
    assert revoke_api_key(client, "keyring", "other", key_id) is False
    assert revoke_api_key(client, "keyring", "demo", "no-such-id") is False
    assert client.text == secret.text
    assert secret.keyring.api_key(revoked) is not None
    assert revoke_api_key(client, "keyring", "demo", key_id) is True
    assert revoke_api_key(client, "keyring", "demo", key_id) is False
    secret.text = client.text
    secret.now += 300.1
    assert secret.keyring.api_key(revoked) is None
    assert secret.keyring.api_key(kept) is not None


def test_a_brand_without_keys_has_none() -> None:
    assert api_keys(SecretsManager('{"root": "r"}'), "keyring", "demo") == []


# --- what webhooks are verified and signed with --------------------------------------------------------------------


def test_a_provider_that_was_never_set_up_has_no_secrets() -> None:
    keyring = Secret({"root": ROOT}).keyring
    assert keyring.webhook_secrets("demo", "mailgun") == {}
    assert keyring.notification_secrets("demo", "crm") == []


def test_an_exchanged_webhook_secret_counts_beside_the_old_one_and_then_alone() -> None:
    """Nobody has to change both ends in the same second; a container knows within five minutes."""
    client = SecretsManager(json.dumps({"root": ROOT}))
    secret = Secret({"root": ROOT})

    def counts() -> str:
        secret.text = client.text
        secret.now += 300.1
        return secret.keyring.webhook_secrets("demo", "mailgun")["key"]

    set_webhook_secrets(client, "keyring", "demo", "mailgun", {"key": "one"})
    assert counts() == "one"
    set_webhook_secrets(client, "keyring", "demo", "mailgun", {"key": "two"}, keep_old=True)
    assert counts() == "one two"
    set_webhook_secrets(client, "keyring", "demo", "mailgun", {"key": "three"}, keep_old=True)
    assert counts() == "two three"
    assert webhook_names(client, "keyring") == [("demo", "mailgun", {"key": 2})]
    set_webhook_secrets(client, "keyring", "demo", "mailgun", {"key": "four"})
    assert counts() == "four"


def test_an_exchanged_notification_secret_signs_beside_the_old_one_until_that_is_dropped() -> None:
    client = SecretsManager(json.dumps({"root": ROOT}))
    one = add_notification_secret(client, "keyring", "demo", "crm")
    assert not drop_old_notification_secret(client, "keyring", "demo", "crm")
    two = add_notification_secret(client, "keyring", "demo", "crm")
    three = add_notification_secret(client, "keyring", "demo", "crm", "whsec_eHg=")
    assert one != two
    assert one.startswith("whsec_")
    assert three == "whsec_eHg="
    assert Secret(client.text).keyring.notification_secrets("demo", "crm") == [two, three]
    assert drop_old_notification_secret(client, "keyring", "demo", "crm")
    assert Secret(client.text).keyring.notification_secrets("demo", "crm") == [three]
    assert not drop_old_notification_secret(client, "keyring", "other", "crm")


def issue(secret: Secret, brand: str, scopes: Any) -> str:
    client = SecretsManager(secret.text)
    key = issue_api_key(client, "keyring", brand, scopes)
    secret.text = client.text
    return key


# --- two who change the document at the same time -------------------------------------------------------------------


def test_two_who_change_the_document_at_the_same_time_both_get_their_way() -> None:
    client = SecretsManager(json.dumps({"root": ROOT}))
    client.meanwhile = [lambda: set_webhook_secrets(client, "keyring", "demo", "mailgun", {"key": "one"})]
    issue_api_key(client, "keyring", "demo", ["read"])
    entry = json.loads(client.text)["brands"]["demo"]
    assert entry["webhooks"] == {"mailgun": {"key": "one"}}
    assert len(entry["api_keys"]) == 1


def test_a_change_whose_answer_was_lost_is_made_once() -> None:
    client = SecretsManager(json.dumps({"root": ROOT}))
    client.loses_answers = 1
    issue_api_key(client, "keyring", "demo", ["read"])
    assert len(api_keys(client, "keyring", "demo")) == 1


def test_who_is_always_overtaken_is_told_and_has_changed_nothing() -> None:
    client = SecretsManager(json.dumps({"root": ROOT}))
    client.meanwhile = [lambda: set_webhook_secrets_of_somebody(client)] * 20
    with pytest.raises(SecretUnavailableError, match="try again"):
        issue_api_key(client, "keyring", "demo", ["read"])
    assert api_keys(client, "keyring", "demo") == []


def set_webhook_secrets_of_somebody(client: SecretsManager) -> None:
    client.current = f"other-{len(client.versions)}"
    client.versions[client.current] = json.dumps({"root": ROOT})
