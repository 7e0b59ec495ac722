"""A URL -> requests per second and the latency of the slowest hundredth, by wrk with 64 connections on loopback."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from bench.measure import FailedError, run

CONNECTIONS, SECONDS = 64, 5
_START_SECONDS = 60
_PER_SECOND = re.compile(r"^Requests/sec:\s+([0-9.]+)$", re.MULTILINE)
_SLOWEST = re.compile(r"^\s+99%\s+([0-9.]+)(us|ms|s|m)$", re.MULTILINE)
_MILLISECONDS = {"us": 0.001, "ms": 1.0, "s": 1000.0, "m": 60_000.0}


class Load(NamedTuple):
    """What a server did under load."""

    per_second: float
    p99_ms: float


def parse(said: str) -> Load:
    """Read what wrk says; raises FailedError where any answer was none."""
    if wrong := re.search(r"Non-2xx or 3xx responses: \d+|Socket errors: .*", said):
        raise FailedError(wrong[0])
    rate, slowest = _PER_SECOND.search(said), _SLOWEST.search(said)
    if rate is None or slowest is None:
        raise FailedError("wrk tells no rate")
    return Load(float(rate[1]), float(slowest[1]) * _MILLISECONDS[slowest[2]])


def load(url: str, headers: Mapping[str, str]) -> Load:
    """Ask for a URL for some seconds, over and over."""
    if shutil.which("wrk") is None:
        raise FailedError("wrk is not installed")
    told = (f"--header={name}: {value}" for name, value in headers.items())
    options = ("--threads=2", f"--connections={CONNECTIONS}", f"--duration={SECONDS}s", "--timeout=10s", "--latency")
    return parse(run("wrk", *options, *told, url, timeout=SECONDS + 60).output)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:
            answer.read()
            return True
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False


@contextmanager
def server(
    *command: str | Path, url: str, log: Path, env: Mapping[str, str] | None = None, cwd: Path | None = None
) -> Iterator[None]:
    """Run a server, its output in a file, once it answers at url; raises FailedError where it never does."""
    with log.open("wb") as sink:
        process = subprocess.Popen(
            command, env=env, cwd=cwd, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink, start_new_session=True
        )
    try:
        deadline = time.monotonic() + _START_SECONDS
        while not _answers(url):
            if process.poll() is not None or time.monotonic() > deadline:
                lines = log.read_text(errors="replace").strip().splitlines() or ["it said nothing"]
                raise FailedError(f"{Path(command[0]).name} does not serve: {lines[-1][:200]}")
            time.sleep(0.1)
        yield
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
