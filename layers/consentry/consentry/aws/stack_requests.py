"""What CloudFormation asks of a custom resource, answered.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref.html
"""

from __future__ import annotations

import json
from typing import Any, Final

import urllib3

_RETRY: Final = urllib3.Retry(total=4, backoff_factor=0.5, status_forcelist=(500, 502, 503, 504))
_TIMEOUT: Final = urllib3.Timeout(connect=3, read=10)


class UnansweredError(Exception):
    """CloudFormation couldn't be answered; Lambda calls the function again with the same request."""


def answer(event: dict[str, Any], physical_id: str, refused: str = "") -> None:
    """Say that a request was carried out, or why it wasn't; this goes by a signed address, which nobody may log.

    Args:
        event: the request.
        physical_id: names the resource, the same for as long as it is the same.
        refused: why it failed; CloudFormation shows it. Empty: it didn't.

    Raises:
        UnansweredError: it wasn't taken.
    """
    body = {
        **{name: event[name] for name in ("StackId", "RequestId", "LogicalResourceId")},
        "PhysicalResourceId": physical_id,
        "Status": "FAILED" if refused else "SUCCESS",
        "Reason": refused,
    }
    try:
        # Without a content type: the address is signed for none.
        said = urllib3.request(
            "PUT", event["ResponseURL"], body=json.dumps(body), headers={"content-type": ""}, retries=_RETRY,
            timeout=_TIMEOUT,
        )  # fmt: skip
    except urllib3.exceptions.HTTPError as exc:
        raise UnansweredError(type(exc).__name__) from None
    if not 200 <= said.status < 300:  # noqa: PLR2004 - S3's answers
        raise UnansweredError(f"status {said.status}")
