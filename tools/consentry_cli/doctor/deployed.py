"""The stack that is looked at, as CloudFormation, CloudWatch and the brand files describe it."""

from __future__ import annotations

from datetime import timedelta
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from botocore.config import Config
from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime

    import boto3

    from consentry.rules.brands import Brand
    from consentry_cli.doctor.reach import Visit

_GONE: Final = frozenset(
    {
        "NotFoundException",
        "ResourceNotFound",
        "ResourceNotFoundException",
        "NotFound",
        "NoSuchBucket",
        "AWS.SimpleQueueService.NonExistentQueue",
        "QueueDoesNotExist",
    }
)
_PATIENCE: Final = Config(connect_timeout=5, read_timeout=15, retries={"mode": "standard", "total_max_attempts": 3})
_AT_ONCE: Final = 500
"""Metrics that one GetMetricData takes."""


class NoStackError(Exception):
    """There is no such stack here."""


class Resource(NamedTuple):
    """One resource of the stack."""

    kind: str
    """`AWS::SQS::Queue`."""
    physical: str
    """What AWS calls it."""


class Deployed:
    """A stack, and the world around it."""

    def __init__(
        self,
        session: boto3.Session,
        name: str,
        brands: Iterable[Brand],
        *,
        now: Callable[[], datetime],
        resolve: Callable[[str, str], Sequence[str]],
        visit: Callable[[str], Visit],
    ) -> None:
        """Read the stack.

        Args:
            session: whose credentials and region are used.
            name: the stack's name.
            brands: of this deployment's brand files; none where there are no files at hand.
            now: this machine's clock, in UTC.
            resolve: what the DNS has of a name and record type; empty where it has nothing, `OSError` if it is mute.
            visit: what a URL answers; `OSError` if it doesn't.

        Raises:
            NoStackError: there is none of this name.
            BotoCoreError, ClientError: CloudFormation can't be asked.
        """
        self.name = name
        self.brands = tuple(brands)
        self.now = now
        self.resolve = resolve
        self.visit = visit
        self.client = cache(self._client)
        self._session = session
        try:
            answer = self.client("cloudformation").describe_stacks(StackName=name)
        except ClientError as exc:
            if exc.response["Error"].get("Code") == "ValidationError":
                raise NoStackError(f"there is no stack {name} in {self.region} that these credentials can see") from exc
            raise
        (self.stack,) = answer["Stacks"]
        self.outputs = {each["OutputKey"]: each["OutputValue"] for each in self.stack.get("Outputs", ())}
        self.parameters = {each["ParameterKey"]: each["ParameterValue"] for each in self.stack.get("Parameters", ())}

    @property
    def region(self) -> str:
        """Where the stack is."""
        return str(self.client("cloudformation").meta.region_name)

    @cached_property
    def resources(self) -> dict[str, Resource]:
        """By logical id, those that are there."""
        pages = self.client("cloudformation").get_paginator("list_stack_resources").paginate(StackName=self.name)
        return {
            each["LogicalResourceId"]: Resource(each["ResourceType"], each["PhysicalResourceId"])
            for page in pages
            for each in page["StackResourceSummaries"]
            if each.get("PhysicalResourceId") and each.get("ResourceStatus") != "DELETE_COMPLETE"
        }

    def of_kind(self, kind: str) -> dict[str, str]:
        """Physical ids of all resources of a type, by logical id."""
        return {name: each.physical for name, each in self.resources.items() if each.kind == kind}

    def physical(self, logical: str) -> str:
        """What AWS calls a resource; empty where the stack has none of this name."""
        found = self.resources.get(logical)
        return found.physical if found else ""

    def listed(self, parameter: str) -> list[str]:
        """The values of a parameter that is a list."""
        return [each.strip() for each in self.parameters.get(parameter, "").split(",") if each.strip()]

    def last_hour(
        self, namespace: str, dimension: str, metrics: Sequence[str], of: Iterable[str], statistic: str = "Sum", *,
        hours: int = 1,
    ) -> dict[tuple[str, str], float]:  # fmt: skip
        """The highest (`Maximum`) or all (`Sum`) of each metric within an hour, or some, by what it is of and its name.

        Only what isn't 0.
        """
        wanted = [(value, metric) for value in of for metric in metrics]
        found: dict[tuple[str, str], float] = {}
        for start in range(0, len(wanted), _AT_ONCE):
            some = wanted[start : start + _AT_ONCE]
            queries = [
                {
                    "Id": f"m{index}",
                    "MetricStat": {
                        "Metric": {
                            "Namespace": namespace,
                            "MetricName": metric,
                            "Dimensions": [{"Name": dimension, "Value": value}],
                        },
                        "Period": 300,
                        "Stat": statistic,
                    },
                }
                for index, (value, metric) in enumerate(some)
            ]
            until = self.now()
            pages = (
                self.client("cloudwatch")
                .get_paginator("get_metric_data")
                .paginate(MetricDataQueries=queries, StartTime=until - timedelta(hours=hours), EndTime=until)
            )
            for result in (each for page in pages for each in page["MetricDataResults"]):
                key = some[int(result["Id"][1:])]
                values = [found.get(key, 0.0), *result.get("Values", ())]
                found[key] = sum(values) if statistic == "Sum" else max(values)
        return {key: value for key, value in found.items() if value}

    def _client(self, service: str) -> Any:
        return self._session.client(service, config=_PATIENCE)  # type: ignore[call-overload]  # a variable here


def is_gone(exc: ClientError) -> bool:
    """Whether AWS says that there is no such thing."""
    return exc.response.get("Error", {}).get("Code") in _GONE


def queue_name(url: str) -> str:
    """A queue's name, of its URL."""
    return url.rpartition("/")[2]
