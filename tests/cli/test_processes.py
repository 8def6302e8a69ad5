"""The command in a process of its own: killed, piped, and measured."""

from __future__ import annotations

import re
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.waiting import eventually

if TYPE_CHECKING:
    from support.deployments import Deployment

MINT = ("links", "mint", "--brand", "demo", "--topic", "news", "--base-url", "https://links.example.com")
LINUX = Path("/proc/self/status")
PEOPLE = 60
_START = "from consentry_cli.main import main; main(prog_name='consentry')"
SMALL_BATCHES = "from consentry_cli import importing; importing.BATCH = 8\n" + _START
STUCK = (
    "import itertools, signal, sys, threading\n"
    "from pathlib import Path\n"
    "from consentry.table.store import Store\n"
    "lines, over, turns, record = int(sys.argv.pop(1)), threading.Event(), itertools.count(), Store.record\n"
    "def interrupted(*given):\n"
    "    over.set()\n"
    "    signal.default_int_handler(*given)\n"
    "signal.signal(signal.SIGINT, interrupted)  # whoever runs the tests may ignore it\n"
    "def stuck(*given, **named):\n"
    "    journal = Path('people.csv.consentry-journal')\n"
    "    if journal.exists() and journal.read_text().count('\"line\"') >= lines and next(turns) % 2:\n"
    "        Path('stuck').touch()\n"
    "        over.wait()\n"
    "    return record(*given, **named)\n"
    "Store.record = stuck\n"
) + SMALL_BATCHES
"""An import that does so many batches, and of the next every other row: until it is ended."""


def people() -> str:
    """Opt-outs, claims, and persons with both; most without an instant."""
    rows = []
    for n in range(PEOPLE):
        status = ("unsubscribed", "subscribed")[n % 2]
        rows.append(f"p{n // 3}@example.com,{status},news,{'2024-01-01' if n % 5 == 0 else ''}\n")
    return "email,status,topics,occurred_at\n" + "".join(rows)


def ended(process: subprocess.Popen[bytes]) -> tuple[int, str, str]:
    stdout, stderr = process.communicate(timeout=300)
    return process.returncode, stdout.decode(), stderr.decode()


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_an_import_that_is_ended_midway_goes_on_and_does_nothing_twice(served: Deployment, how: signal.Signals) -> None:
    source = served.write("people.csv", people())
    journal, stuck = served.folder / "people.csv.consentry-journal", served.folder / "stuck"
    import_ = ("import", "--brand", "demo", source)
    for lines in (1, 3):
        process = served.spawn(str(lines), *import_, code=STUCK)
        eventually(stuck.exists, bool)
        process.send_signal(how)
        status, _, said = ended(process)
        stuck.unlink()
        assert status
        assert "Traceback" not in said
        if how is signal.SIGINT:
            assert (status, said.count("\n")) == (2, 1 + (lines > 1))
            assert "interrupted; done up to line" in said
    status, counted, said = ended(served.spawn(*import_, code=SMALL_BATCHES))
    assert status == 0
    assert "going on after line" in said
    resumed = served.items()

    # The same rows, as of the same instant, into another brand's worth of nothing: what an undisturbed import leaves.
    for item in resumed:
        served.dynamodb.delete_item(TableName="consentry-test", Key={name: item[name] for name in ("pk", "sk")})
    journal.write_text(journal.read_text().splitlines()[0] + "\n")
    status, undisturbed, _ = ended(served.spawn(*import_, code=SMALL_BATCHES))
    assert status == 0
    assert served.items() == resumed
    assert (
        sum(map(int, re.findall(r": (\d+)", counted))) == sum(map(int, re.findall(r": (\d+)", undisturbed))) == PEOPLE
    )
    assert ended(served.spawn("ledger", "verify", "--brand", "demo"))[0] == 0


def test_a_pipe_that_is_closed_is_no_trouble(deployment: Deployment) -> None:
    deployment.run("keys", "export", "--brand", "demo", "-o", "demo.keys")
    source = deployment.write("people.csv", "email\n" + "".join(f"p{n}@example.com\n" for n in range(5_000)))
    mint = deployment.spawn(*MINT, "--keys", "demo.keys", source)
    assert mint.stdout
    assert mint.stdout.readline().startswith(b"email,subscriber_id")
    mint.stdout.close()
    assert mint.stderr
    assert mint.stderr.read() == b""
    assert mint.wait(300) == 2
    mint.stderr.close()


def test_a_pipe_in_and_a_pipe_out_see_no_progress(deployment: Deployment) -> None:
    deployment.run("keys", "export", "--brand", "demo", "-o", "demo.keys")
    mint = deployment.spawn(*MINT, "--keys", "demo.keys", "-", stdin=subprocess.PIPE)
    stdout, stderr = mint.communicate(b"email\nann@example.com\n", timeout=300)
    assert (mint.returncode, stderr) == (0, b"")
    assert len(stdout.splitlines()) == 2


PEAK = """
from consentry_cli.main import main
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
from pathlib import Path
for line in Path("/proc/self/status").read_text().splitlines():
    if line.startswith("VmHWM:"):
        print(line.split()[1])
"""


def peak(deployment: Deployment, *arguments: str | Path) -> int:
    """Most memory that the command held, in KiB. (What `getrusage` tells counts its parent's, too.)"""
    status, said, _ = ended(deployment.spawn(*arguments, code=PEAK))
    assert status == 0
    return int(said)


@pytest.mark.skipif(not LINUX.exists(), reason="memory is read from /proc, which only Linux has")
@pytest.mark.parametrize(("encoding", "separator"), [("utf-8", ","), ("utf-16", ";")])
def test_ten_times_the_rows_take_no_more_memory(deployment: Deployment, encoding: str, separator: str) -> None:
    deployment.run("keys", "export", "--brand", "demo", "-o", "demo.keys")
    peaks = []
    for rows in (1_500, 40_000):
        text = "".join(f"p{n}@example.com{separator}a note\n" for n in range(rows))
        source = deployment.write("people.csv", f"email{separator}note\n{text}".encode(encoding))
        peaks.append(peak(deployment, *MINT, "--keys", "demo.keys", source, "-o", "out.csv"))
    assert peaks[1] - peaks[0] < 1_536  # 40 bytes a row; two runs of the same differ by some hundred KiB


@pytest.mark.skipif(not LINUX.exists(), reason="memory is read from /proc, which only Linux has")
def test_one_endless_line_takes_no_more_memory(deployment: Deployment) -> None:
    deployment.run("keys", "export", "--brand", "demo", "-o", "demo.keys")
    peaks = []
    for length in (1_000, 60_000_000):
        source = deployment.write("people.ndjson", '{"email":"a@example.com"}\n' + " " * length + "\n")
        peaks.append(peak(deployment, *MINT, "--keys", "demo.keys", source, "-o", "out.ndjson"))
    assert peaks[1] - peaks[0] < 16_384
