"""Opt-outs by a link's token, against django-newsletter on gunicorn: the same machine, the same run, both its cores.

CPU time is that of the processes that answer. django-newsletter's holds its database, SQLite, which is a part of it;
ours doesn't hold DynamoDB, which is AWS's to run and to bill by the call. Nor does it hold API Gateway, as the peer's
doesn't hold the proxy that stands before it.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, urlencode

import psutil

from benchmarks.clicking import People
from benchmarks.figures import Figure, Sample
from benchmarks.lambdas import PYTHON, running
from support.dynamodb_local import free_port
from support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmarks.lambdas import Function
    from benchmarks.surroundings import Surroundings

ROUNDS: Final = 5
CLICKS: Final = 800
"""In each round."""
CONNECTIONS: Final = 8
FUNCTIONS: Final = 2
"""Instances of ours: one a core. Each handles one request at a time, as on Lambda."""
BAR: Final = 1 / 7
_CSRF: Final = "c" * 32


class Site:
    """django-newsletter, running."""

    def __init__(self, port: int, process: subprocess.Popen[bytes], links: Iterator[str]) -> None:
        self._port = port
        self._process = psutil.Process(process.pid)
        self._links = links

    def leave(self, count: int) -> Sample:
        """So many people unsubscribe, over a few connections at once."""
        links = [next(self._links) for _ in range(count)]
        shares = [links[at::CONNECTIONS] for at in range(CONNECTIONS)]
        cpu, began = self._cpu(), time.perf_counter()
        with ThreadPoolExecutor(CONNECTIONS) as pool:
            list(pool.map(self._post, shares))
        return Sample((time.perf_counter() - began) / count, (self._cpu() - cpu) / count)

    def _post(self, links: Sequence[str]) -> None:
        connection = HTTPConnection("127.0.0.1", self._port, timeout=30)
        for link in links:
            fields = {"csrfmiddlewaretoken": _CSRF, "user_activation_code": link.rstrip("/").rpartition("/")[2]}
            headers = {"cookie": f"csrftoken={_CSRF}", "content-type": "application/x-www-form-urlencoded"}
            connection.request("POST", quote(link), urlencode(fields), headers)
            answer = connection.getresponse()
            answer.read()
            if (answer.status, answer.headers["location"]) != (
                302,
                "/newsletter/news/unsubscribe/activation-completed/",
            ):
                raise RuntimeError(f"django-newsletter answered {answer.status}")
        connection.close()

    def _cpu(self) -> float:
        """Seconds of CPU that gunicorn and its workers used so far."""
        used = [each.cpu_times() for each in (self._process, *self._process.children(recursive=True))]
        return sum(each.user + each.system for each in used)


def measure(around: Surroundings) -> Iterator[Figure]:
    """In turns."""
    around.create_table()
    people = People(around)
    ours: list[Sample] = []
    theirs: list[Sample] = []
    with ExitStack() as ending:
        site = ending.enter_context(standing((ROUNDS + 1) * CLICKS))
        code = around.function("oneclick")
        functions = [ending.enter_context(running(code)) for _ in range(FUNCTIONS)]
        for at_round in range(ROUNDS + 1):
            mine, other = leave(functions, people.leave(CLICKS)), site.leave(CLICKS)
            if at_round:  # the first counts for nobody
                ours.append(mine)
                theirs.append(other)
    for kind in ("cpu", "wall"):
        value, peer = (sum(getattr(each, kind) for each in took) / ROUNDS * 1000 for took in (ours, theirs))
        bar = BAR if kind == "cpu" else None
        yield Figure("an opt-out of many at once", value, peer, f"ms {kind}", bar, "django-newsletter on gunicorn")
    rate, peer_rate = (ROUNDS / sum(each.wall for each in took) for took in (ours, theirs))
    yield Figure("opt-outs a second, two cores", rate, peer_rate, "a second", None, "django-newsletter on gunicorn")


def leave(functions: Sequence[Function], events: list[bytes]) -> Sample:
    """Opt-outs, shared out to several instances."""
    shares = [events[at :: len(functions)] for at in range(len(functions))]
    cpu, began = sum(each.cpu() for each in functions), time.perf_counter()
    with ThreadPoolExecutor(len(functions)) as pool:
        list(pool.map(lambda pair: pair[0].run(pair[1]), zip(functions, shares, strict=True)))
    wall = time.perf_counter() - began
    return Sample(wall / len(events), (sum(each.cpu() for each in functions) - cpu) / len(events))


@contextmanager
def standing(people: int) -> Iterator[Site]:
    """django-newsletter with so many subscribers, two workers of four threads each."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {
            **os.environ,
            "PYTHONPATH": str(Path(__file__).parent),
            "NEWSLETTERS_DATABASE": str(Path(folder) / "newsletters.sqlite3"),
        }
        prepare = [PYTHON, "-m", "newsletters.prepare", str(people)]
        links = subprocess.run(prepare, env=environment, stdout=subprocess.PIPE, text=True, check=True).stdout  # noqa: S603 - ours
        port = free_port()
        serve = ["gunicorn", "newsletters.wsgi", "--workers", "2", "--threads", "4", "--bind", f"127.0.0.1:{port}"]
        process = subprocess.Popen(  # noqa: S603 - ours
            [PYTHON, "-m", *serve], env=environment, cwd=folder, stderr=subprocess.DEVNULL
        )
        try:
            eventually(lambda: _listens(port), bool)
            yield Site(port, process, iter(links.split()))
        finally:
            process.terminate()
            process.wait(30)


def _listens(port: int) -> bool:
    connection = HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/newsletter/")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()
