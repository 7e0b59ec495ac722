"""A URL -> requests per second and the latency of the slowest hundredth, by wrk with 64 connections on loopback."""

from __future__ import annotations

import contextlib
import gzip
import http.client
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
_BYTES = re.compile(r"^Transfer/sec:\s+([0-9.]+)([KMG]?B)$", re.MULTILINE)
_MEGABYTES = {"B": 1e-6, "KB": 2**10 / 1e6, "MB": 2**20 / 1e6, "GB": 2**30 / 1e6}
_SLOWEST = re.compile(r"^\s+99%\s+([0-9.]+)(us|ms|s|m) *$", re.MULTILINE)
_MILLISECONDS = {"us": 0.001, "ms": 1.0, "s": 1000.0, "m": 60_000.0}


class Load(NamedTuple):
    """What a server did under load; mb_per_second, of 10⁶ bytes, also counts answers that the end cut short."""

    per_second: float
    p99_ms: float
    mb_per_second: float


def parse(said: str) -> Load:
    """Read what wrk says; raises FailedError where any answer was none."""
    if wrong := re.search(r"Non-2xx or 3xx responses: \d+|Socket errors: .*", said):
        raise FailedError(wrong[0])
    rate, slowest, through = (each.search(said) for each in (_PER_SECOND, _SLOWEST, _BYTES))
    if rate is None or slowest is None or through is None:
        raise FailedError("wrk tells no rate")
    if not float(through[1]):
        raise FailedError(f"no answer to any of {CONNECTIONS} connections")
    milliseconds = float(slowest[1]) * _MILLISECONDS[slowest[2]]
    return Load(float(rate[1]), milliseconds, float(through[1]) * _MEGABYTES[through[2]])


def load(url: str, headers: Mapping[str, str], *, seconds: int = SECONDS) -> Load:
    """Ask for a URL for some seconds, over and over."""
    if shutil.which("wrk") is None:
        raise FailedError("wrk is not installed")
    told = (f"--header={name}: {value}" for name, value in headers.items())
    options = ("--threads=2", f"--connections={CONNECTIONS}", f"--duration={seconds}s", "--timeout=10s", "--latency")
    return parse(run("wrk", *options, *told, url, timeout=seconds + 60).output)


def opened(url: str, headers: Mapping[str, str] | None = None) -> http.client.HTTPResponse:
    """Ask for a URL, by default as a browser would; proxpi has no answer for those who accept nothing."""
    request = urllib.request.Request(url, headers=dict(headers or {"Accept": "*/*"}))
    answer: http.client.HTTPResponse = urllib.request.urlopen(request, timeout=300)
    return answer


def content(url: str, headers: Mapping[str, str]) -> bytes:
    """Return what a server sends, unpacked."""
    with opened(url, headers) as answer:
        data = answer.read()
        return gzip.decompress(data) if answer.headers["Content-Encoding"] == "gzip" else data


def _answers(url: str) -> bool:
    try:
        with opened(url) as answer:
            answer.read()
            return True
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a server and what it started."""
    for sent, patience in ((signal.SIGTERM, 10), (signal.SIGKILL, 10)):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, sent)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=patience)


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
        _end(process)
