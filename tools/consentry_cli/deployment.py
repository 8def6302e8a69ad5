"""The deployment that a command works on: its table, its keyring, its brands.

What reaches AWS is imported where it is reached: links are minted, and reports made, without it.
"""

from __future__ import annotations

import re
import time
from email.utils import parsedate_to_datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from consentry.links.keyring import Keyring, SecretUnavailableError
from consentry.links.tokens import Tokens
from consentry.rules import brands as brands_module
from consentry.rules.brands import Brands
from consentry_build.brandfile import compile_folder
from consentry_cli.errors import CanNotRunError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from consentry.actions.replay import Replay
    from consentry.rules.brands import Brand
    from consentry.table.store import Store

WRITERS: Final = 16
"""How many writes to the table are under way at once."""
READERS: Final = 16
"""How many parts of it may be read at once."""
_ID: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,15}")
_DEFAULT_BRANDS: Final = Path("brands")
_REGION: Final = re.compile(r"arn:[a-z-]+:[a-z]+:([a-z0-9-]+):")
"""Of a resource: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html"""


def _id(
    _context: click.Context, parameter: click.Parameter, value: str | tuple[str, ...] | None
) -> str | tuple[str, ...] | None:
    for each in (value,) if isinstance(value, str) else value or ():
        if not _ID.fullmatch(each):
            raise click.BadParameter("a-z, 0-9, - and _, at most 16", param=parameter)
    return value


brand_option = click.option("--brand", "brand_id", required=True, callback=_id, help="The brand, by its file's name.")
topic_option = click.option("--topic", required=True, callback=_id, help="The topic, by its id in the brand's file.")
topics_option = click.option(
    "--topic", "topics", multiple=True, callback=_id, help="The topic of rows that name none; can be repeated."
)
table_option = click.option(
    "--table", envvar="TABLE_NAME", required=True, help="The table: the stack's output TableName. [env: TABLE_NAME]"
)
keyring_option = click.option(
    "--keyring",
    "secret_id",
    envvar="KEYRING_SECRET_ARN",
    required=True,
    help="The keyring's secret: the stack's output KeyringSecretArn. [env: KEYRING_SECRET_ARN]",
)
brand_option_if_any = click.option("--brand", "brand_id", callback=_id, help="The brand; all that there are otherwise.")
table_option_if_any = click.option("--table", envvar="TABLE_NAME", help="The table. [env: TABLE_NAME]")
keyring_option_if_any = click.option(
    "--keyring", "secret_id", envvar="KEYRING_SECRET_ARN", help="The keyring's secret. [env: KEYRING_SECRET_ARN]"
)
brands_option = click.option(
    "--brands",
    "folder",
    envvar="CONSENTRY_BRANDS",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="The folder of brand files.  [env: CONSENTRY_BRANDS; default: brands]",
)


def client(service: str) -> Any:
    """A client of an AWS service, with patience: nobody waits for a page."""
    import boto3  # noqa: PLC0415 - it costs commands that need no AWS time
    from botocore.config import Config  # noqa: PLC0415 - as above
    from botocore.exceptions import NoRegionError  # noqa: PLC0415 - as above

    persevering = Config(
        connect_timeout=5,
        read_timeout=20,
        retries={"mode": "standard", "total_max_attempts": 8},
        max_pool_connections=max(WRITERS, READERS),
    )
    connect: Any = partial(boto3.client, service, config=persevering)
    try:
        return connect()
    except NoRegionError:
        return connect(region_name=_region())


def _region() -> str:
    """The region in the ARN that the command was given, where AWS's own settings name none.

    Raises:
        CanNotRunError: no ARN was given.
    """
    context = click.get_current_context(silent=True)
    for value in context.params.values() if context else ():
        if found := _REGION.match(str(value)):
            return found[1]
    raise CanNotRunError("no AWS region is set: export AWS_REGION=…, or give --keyring as an ARN, which names it")


def store(table: str, keys: Keyring) -> Store:
    """The table."""
    from consentry.table.gateway import Gateway  # noqa: PLC0415 - as boto3
    from consentry.table.store import Store  # noqa: PLC0415 - as boto3

    return Store(Gateway(client("dynamodb"), table), keys.ledger_key)


def replay(table: str, keys: Keyring) -> Replay:
    """What makes count what waited. It needs no brand files: nobody is shown anything."""
    from consentry.actions.forms import Forms  # noqa: PLC0415 - as boto3
    from consentry.actions.opting_out import OptOuts  # noqa: PLC0415 - as boto3
    from consentry.actions.replay import Replay  # noqa: PLC0415 - as boto3
    from consentry.actions.spool import Recorder  # noqa: PLC0415 - as boto3
    from consentry.table.gateway import Gateway  # noqa: PLC0415 - as boto3
    from consentry.table.limits import Limits  # noqa: PLC0415 - as boto3

    held, tokens = store(table, keys), Tokens(keys)
    limits = Limits(Gateway(client("dynamodb"), table), keys.limit_key)
    return Replay(held, tokens, Brands(()), OptOuts(held, Recorder(held), limits), Forms(held, tokens))


def keyring(secret_id: str) -> Keyring:
    """Every secret of every brand, fetched when the first is asked for."""
    behind_ms = 0

    def fetch() -> str:
        nonlocal behind_ms
        answer = _secret(secret_id)
        behind_ms = instant_of(answer) - time.time_ns() // 1_000_000
        return str(answer["SecretString"])

    return Keyring(fetch, clock=lambda: time.time() + behind_ms / 1000)


def now(secret_id: str) -> int:
    """AWS's time, epoch ms: what a command records is as of then, however wrong this machine's clock is.

    An opt-out from a laptop that is a year ahead would be a year ahead, and nobody could opt back in.
    """
    return instant_of(_secret(secret_id))


def instant_of(answer: Mapping[str, Any]) -> int:
    """When AWS gave an answer, epoch ms: its `Date` (RFC 9110, 6.6.1), which has whole seconds.

    Within that second this machine's clock is believed, and no further.
    """
    theirs = int(parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"]).timestamp()) * 1000
    return min(max(time.time_ns() // 1_000_000, theirs), theirs + 999)


def _secret(secret_id: str) -> dict[str, Any]:
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - as boto3

    try:
        return dict(client("secretsmanager").get_secret_value(SecretId=secret_id, VersionStage="AWSCURRENT"))
    except (BotoCoreError, ClientError) as exc:
        raise SecretUnavailableError("the keyring can't be read") from exc


def archive_of(table: str) -> str:
    """Where the archive of the stack is that made this table: CloudFormation names a table after its stack.

    Empty where that isn't known, as with a name that somebody gave.
    """
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - as boto3

    stack, made, _ = table.rpartition("-Table-")
    if not made:
        return ""
    try:
        (found,) = client("cloudformation").describe_stacks(StackName=stack)["Stacks"]
    except (BotoCoreError, ClientError):
        return ""
    outputs = {each["OutputKey"]: each["OutputValue"] for each in found.get("Outputs", ())}
    return f"s3://{outputs['ArchiveBucketName']}" if "ArchiveBucketName" in outputs else ""


def brand(folder: Path | None, brand_id: str) -> Brand:
    """A brand from its file.

    Raises:
        CanNotRunError: there is none.
        FaultyBrandsError: some file can't be used.
    """
    compiled = compile_folder(folder or _DEFAULT_BRANDS)
    found = Brands(brands_module.from_json(each) for each in compiled).get(brand_id)
    if found is None:
        raise CanNotRunError(f"{folder or _DEFAULT_BRANDS} has no brand {brand_id}; say where it is with --brands")
    return found


def brand_if_known(folder: Path | None, brand_id: str) -> Brand | None:
    """A brand from its file; None where no folder was named and there is none to find."""
    if folder is None and not any(_DEFAULT_BRANDS.glob("*.yaml")):
        return None
    return brand(folder, brand_id)


def brands_if_any(folder: Path | None) -> Brands:
    """Every brand that has a file here; none where no folder was named and there is none to find."""
    if folder is None and not any(_DEFAULT_BRANDS.glob("*.yaml")):
        return Brands(())
    return Brands(brands_module.from_json(each) for each in compile_folder(folder or _DEFAULT_BRANDS))


def check_topics(of: Brand, topics: tuple[str, ...]) -> None:
    """Raises `CanNotRunError` if the brand hasn't one of them."""
    for topic in topics:
        if topic not in of.topics:
            raise CanNotRunError(f"{of.id} has no topic {topic}; it has {', '.join(of.topics)}")
