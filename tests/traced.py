"""A command -> its calls that change a folder, and the same command with one of them going wrong: strace does both.

strace counts the calls of each thread by name, so a call of a process's first thread is known by its name and number.
Other threads have the same numbers again: of those a call is known by its path, and temporary names are counted up.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

CODE = Path(__file__).resolve().parent.parent
STRACE = shutil.which("strace")
# Where a call can go wrong: in a run's first thread, or in another.
INDEX, THREAD = "index", "thread"
KILL = "SIGKILL"
_PATIENCE = 120  # seconds; a run takes one or two

_BY_DESCRIPTOR = {
    *("write", "writev", "pwrite64", "close", "fsync", "fdatasync", "ftruncate", "fallocate", "fchmod", "fchown"),
    *("sendfile", "copy_file_range"),
}
_BY_NAME = {
    *("open", "openat", "creat", "rename", "renameat", "renameat2", "link", "linkat", "symlink", "symlinkat"),
    *("unlink", "unlinkat", "mkdir", "mkdirat", "rmdir", "truncate", "utimensat", "chmod", "fchmodat", "chown"),
}
_TRACED = ",".join(f"?{name}" for name in sorted({"execve", *_BY_DESCRIPTOR, *_BY_NAME}))
_OPENS = {"open", "openat", "creat"}
_LINE = re.compile(r"(\w+)\((.*)\) += (\?|-?\d+)(.*)")
_TOKEN = re.compile(r'(?:\d+|AT_FDCWD)<([^>]*)>|"((?:[^"\\]|\\.)*)"')
_WRITES = re.compile(r"O_(?:WRONLY|RDWR|CREAT|TRUNC)")
# What differs from run to run.
_NAMES = (
    (re.compile(r"20\d{6}T\d{6}Z-[0-9a-f]{12}"), "ID"),
    (re.compile(r"\.owner\.[0-9a-f]{16}"), ".owner.NOTE"),
    (re.compile(r"(\btmp|\.scratch/)[a-z0-9_]{8}\b"), r"\1"),
)
_SITE = """import itertools, tempfile
tempfile._name_sequence = map("{:08}".format, itertools.count())
"""


class Point(NamedTuple):
    """One call: where, its name, its number among those of that name, and on what, below the folder."""

    where: str
    call: str
    number: int
    path: str

    def __str__(self) -> str:
        return f"{self.where}: {self.call} {self.number} ({self.path})"


class Call(NamedTuple):
    """A line of strace's log: the call's name, the paths it is about, its result and what follows that."""

    name: str
    paths: list[str]
    is_write: bool
    result: str
    rest: str


def environment(folder: Path) -> dict[str, str]:
    """Return what the runs get: the same order and names of things each time, and a temporary folder of their own."""
    (folder / "site").mkdir(parents=True, exist_ok=True)
    (folder / "site" / "sitecustomize.py").write_text(_SITE)
    (folder / "tmp").mkdir(exist_ok=True)
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "HOME") if name in os.environ}
    return kept | {
        "PIP_CONFIG_FILE": os.devnull,
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONHASHSEED": "0",
        "PYTHONPATH": f"{CODE}{os.pathsep}{folder / 'site'}",
        "TMPDIR": str(folder / "tmp"),
        "XDG_CACHE_HOME": str(folder / "cache"),
    }


def run(
    arguments: Sequence[str], folder: Path, checkout: Path, where: str = "", options: Sequence[str] = ()
) -> subprocess.CompletedProcess[str]:
    """Run Python in a checkout; where is the part that strace watches, with these options; folder gets its `trace`."""
    env, command = environment(folder), [sys.executable, *arguments]
    options = (f"--output={folder / 'trace'}", "-y", "--string-limit=16", f"--trace={_TRACED}", *options)
    for old in folder.glob("trace*"):
        old.unlink()
    if where:
        command = ["strace", *options, *command]
    process = subprocess.Popen(
        command,
        cwd=checkout,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    return _ended(process)


def _ended(process: subprocess.Popen[str]) -> subprocess.CompletedProcess[str]:
    try:
        said = process.communicate(timeout=_PATIENCE)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        raise AssertionError(f"it did not end: {process.communicate()[1]}") from None
    return subprocess.CompletedProcess(process.args, process.returncode, *said)


def calls(log: Path) -> Iterator[Call]:
    """Read a log of strace."""
    for line in log.read_text(errors="replace").splitlines():
        if match := _LINE.fullmatch(line):
            name, arguments, result, rest = match.groups()
            yield Call(name, _paths(name, arguments), bool(_WRITES.search(arguments)), result, rest)


def _paths(name: str, arguments: str) -> list[str]:
    base, found = "", []
    for descriptor, quoted in _TOKEN.findall(arguments):
        if descriptor:
            base = descriptor
            found += [descriptor] if name in _BY_DESCRIPTOR else []
        elif name in _BY_NAME:
            found.append(str(Path(base, quoted)))
    # copy_file_range names its source first; of all others the first descriptor is what is written.
    return found[-1:] if name == "copy_file_range" else found[:1] if name in _BY_DESCRIPTOR else found


def _below(path: str, folder: Path) -> str:
    return str(Path(path).relative_to(folder)) if Path(path).is_relative_to(folder) else path


def points(log: Path, where: str, folder: Path) -> list[Point]:
    """List the calls that change a folder: of open and close, those of files that are opened to be written.

    What failed in the log, as the making of a folder that is there already, changed nothing.
    """
    counts: Counter[str] = Counter()
    found: list[Point] = []
    writers: set[str] = set()
    for call in calls(log):
        counts[call.name] += 1
        below = [path for path in call.paths if Path(path).is_relative_to(folder)]
        reads = (call.name in _OPENS and not call.is_write) or (call.name == "close" and not writers & set(below))
        if below and not reads and call.result != "-1":
            path = below[0 if where == THREAD else -1]  # of two, strace's --trace-path looks at the first
            found.append(Point(where, call.name, counts[call.name], _below(path, folder)))
        if call.name in _OPENS and call.is_write:
            writers |= set(below)
        elif call.name in _OPENS or call.name == "close":
            writers -= set(below)
    return found


def points_of_threads(logs: Iterable[Path], folder: Path) -> list[Point]:
    """List what other threads than the first change: their calls count by name and path, if that is the same always."""
    counts: Counter[tuple[str, str]] = Counter()
    found = []
    for log in logs:
        for point in () if any(call.name == "execve" for call in calls(log)) else points(log, THREAD, folder):
            if "ID" in plain(point.path):
                continue
            counts[point.call, point.path] += 1
            found.append(point._replace(number=counts[point.call, point.path]))
    return found


def plain(path: str) -> str:
    """Return a path without what differs from run to run."""
    for pattern, name in _NAMES:
        path = pattern.sub(name, path)
    return path


def injection(point: Point, fault: str, folder: Path) -> tuple[str, ...]:
    """Return strace's options for a fault, SIGKILL or the name of an errno, at a point."""
    kind = "signal" if fault == KILL else "error"
    inject = f"--inject={point.call}:{kind}={fault}:when={point.number}"
    return (inject, "--follow-forks", f"--trace-path={folder / point.path}") if point.where == THREAD else (inject,)


def was_hit(log: Path, point: Point, folder: Path) -> bool:
    """Whether the fault met the call that was meant, and not another one that had its number this time."""
    if not log.exists():
        return False
    if point.where == THREAD:
        return "INJECTED" in log.read_text() or "killed by SIGKILL" in log.read_text()
    same = [call for call in calls(log) if call.name == point.call][point.number - 1 : point.number]
    paths = [_below(path, folder) for call in same for path in call.paths]
    struck = any(call.result == "?" or "INJECTED" in call.rest for call in same)
    return struck and plain(point.path) in map(plain, paths)


def was_killed(done: subprocess.CompletedProcess[str]) -> bool:
    """Whether the run itself was."""
    return done.returncode in (-signal.SIGKILL, 128 + signal.SIGKILL)
