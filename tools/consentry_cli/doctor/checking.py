"""All checks over one stack."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError

from consentry_cli.doctor import front, inbound, keys, running, sending, stacks
from consentry_cli.doctor.findings import Finding, Problem, Verdict, unseen

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator

    from consentry_cli.doctor.deployed import Deployed
    from consentry_cli.doctor.findings import Check

CHECKS: Final[tuple[Check, ...]] = (
    *stacks.CHECKS,
    *keys.CHECKS,
    *sending.CHECKS,
    *inbound.CHECKS,
    *running.CHECKS,
    *front.CHECKS,
)
_DENIED: Final = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "AuthorizationError",
        "AuthorizationErrorException",
        "UnauthorizedOperation",
    }
)
_POLICY: Final = "docs/doctor.md#what-it-may-do"


def examine(deployed: Deployed, checks: Iterable[Check] = CHECKS) -> Iterator[Finding]:
    """What there is to say of a stack, check by check: a line at least for each.

    Of a stack whose first deployment failed, or that is deleted, that is all there is to say.
    """
    for check in stacks.CHECKS[:1] if stacks.is_empty(deployed) else checks:
        yield from _one(check, deployed)


def _one(check: Check, deployed: Deployed) -> Iterator[Finding]:
    looking, quiet = check.look(deployed), True
    while True:
        problem = _next(looking)
        if isinstance(problem, str):
            if quiet:
                yield Finding(check.name, Verdict.OK, problem)
            return
        quiet = False
        see = check.see if problem.verdict is not Verdict.COULD_NOT_LOOK else _POLICY
        yield Finding(check.name, problem.verdict, problem.says, problem.mend, see)


def _next(looking: Generator[Problem, None, str]) -> Problem | str:
    """The next problem, or how it is. Of what AWS answers to a call that failed nothing is printed but its code."""
    try:
        return next(looking)
    except StopIteration as done:
        return str(done.value)
    except ClientError as exc:
        code = str(exc.response.get("Error", {}).get("Code", "no code"))
        if code in _DENIED:
            return unseen(f"{exc.operation_name} isn't allowed.", "Give who asks the policy of this page.")
        return unseen(f"AWS answers {code} to {exc.operation_name}.", "Try again; if it lasts, ask AWS that by hand.")
    except ParamValidationError:
        return unseen(
            "The stack's description lacks what is asked about here.", "See the check `stack`; deploy this version."
        )
    except BotoCoreError as exc:
        return unseen(f"AWS can't be asked ({type(exc).__name__}).", "Is the region right, and the network there?")
