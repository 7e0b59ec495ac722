"""A command -> how long it took and the most memory that one process of it had."""

from __future__ import annotations

import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

# The most memory counts from before a program replaces its parent's image (execve), so that a child of this process
# would have had at least what this one has. A small process in between has little.
_WAIT = """
import os, sys, time
started = time.perf_counter()
child = os.posix_spawnp(sys.argv[1], sys.argv[1:], os.environ)
_, status, usage = os.wait4(child, 0)
print(f"\\n{time.perf_counter() - started} {usage.ru_maxrss / 1024}")
sys.exit(os.waitstatus_to_exitcode(status) and 1)
"""


class FailedError(Exception):
    """A measurement that could not be made, and why: a row of the table says so."""


class Run(NamedTuple):
    """What one run took: seconds by the clock, and MiB."""

    seconds: float
    peak_mb: float
    output: str


class Medians(NamedTuple):
    """Ours, theirs, and of how many runs each; theirs is None where nothing stands beside."""

    ours: float
    theirs: float | None
    runs: int


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["without a word"])[-1][:200]


def run(
    *command: str | Path, cwd: Path | None = None, env: Mapping[str, str] | None = None, timeout: float = 1800
) -> Run:
    """Run a command to its end; raises FailedError where it fails or takes more than timeout seconds."""
    os.sync()  # or a command that syncs would wait for what others wrote
    process = subprocess.Popen(
        (sys.executable, "-I", "-S", "-c", _WAIT, *command),
        cwd=cwd,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        output, _ = process.communicate(timeout=timeout)
    except BaseException as error:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        if isinstance(error, subprocess.TimeoutExpired):
            raise FailedError(f"{Path(command[0]).name} took more than {timeout:.0f} s") from None
        raise
    said, _, numbers = output.rstrip().rpartition("\n")
    if process.returncode:
        raise FailedError(f"{Path(command[0]).name} failed: {_last_line(said)}")
    seconds, peak_mb = map(float, numbers.split())
    return Run(seconds, peak_mb, said)


def side_by_side(
    ours: Callable[[], float], theirs: Callable[[], float] | None = None, *, runs: int = 3, budget: float = 600
) -> Medians:
    """Measure in turn, ours and theirs, until there are so many runs or the budget of seconds is spent."""
    started = time.monotonic()
    measured: list[tuple[float, float | None]] = []
    while len(measured) < runs and (not measured or time.monotonic() - started < budget):
        measured.append((ours(), theirs() if theirs else None))
    beside = [other for _, other in measured if other is not None]
    return Medians(
        statistics.median(own for own, _ in measured), statistics.median(beside) if beside else None, len(measured)
    )
