"""git, lines of a lock -> Approvals: the commit that brought each line in, and the merge that brought that commit.

git alone is asked, offline, and nothing is written. What it cannot tell is told as such: a lock that is not committed,
a folder that is no repository, a history that is cut off.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import NamedTuple

from scripts.revision import git

UNCOMMITTED = "not committed yet"
# What the user has set must not add lines of its own.
_SETTINGS = ("-c", "log.showSignature=false", "-c", "i18n.logOutputEncoding=UTF-8")
_BLAMED = re.compile(r"([0-9a-f]{40,64}) \d+ (\d+)(?: \d+)?")


class Commit(NamedTuple):
    """A commit: its id, its author, the day on which it was made (UTC), and its subject."""

    id: str
    author: str
    day: str
    subject: str

    def __str__(self) -> str:
        return f"{self.id[:12]}, {self.day}, {self.author}: {self.subject}"


class Approval(NamedTuple):
    """Which commit brought a line, and which merge brought that, where one did; without a commit, note says why."""

    commit: Commit | None = None
    merge: Commit | None = None
    note: str = ""


class _GitError(Exception):
    """git's reason, in one line."""


def _git(*arguments: str) -> str:
    try:
        done = git(*_SETTINGS, *arguments)
    except SystemExit:
        raise _GitError("git is not installed") from None
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines() or ["git failed without a word"]
        raise _GitError(said[0].removeprefix("fatal: "))
    return done.stdout.decode(errors="replace")


def _day(seconds: str) -> str:
    return f"{datetime.fromtimestamp(int(seconds), UTC):%Y-%m-%d}"


@cache
def _merge_of(commit: str, head: str) -> Commit | None:
    """Return the merge by which a commit came to a branch, which ends with head; None where it was made there."""
    told = _git("log", "--first-parent", "--format=%H %P", f"{commit}..{head}")
    main = [line.split(" ") for line in told.splitlines()]
    if not main or main[-1][1] == commit:
        return None
    after = set(_git("rev-list", "--ancestry-path", f"{commit}..{head}").split())
    return next((_read_commit(line[0]) for line in reversed(main) if line[0] in after), None)


def _read_commit(commit: str) -> Commit:
    told = _git("log", "--max-count=1", "--format=%H%n%an%n%ct%n%s", commit).split("\n")
    return Commit(told[0], told[1], _day(told[2]), told[3])


def _approval(commit: str, told: dict[str, str], head: str, *, is_shallow: bool) -> Approval:
    if not commit.strip("0"):
        return Approval(note=UNCOMMITTED)
    found = Commit(commit, told["author"], _day(told["committer-time"]), told.get("summary", ""))
    if "boundary" in told and is_shallow:
        note = f"by {found.id[:12]}, {found.day}, or before: the history is cut off there; run git fetch --unshallow"
        return Approval(note=note)
    return Approval(found, _merge_of(commit, head))


def _blame(path: Path, lines: Sequence[int], *, is_shallow: bool) -> dict[int, Approval]:
    # The empty name of a file resets blame.ignoreRevsFile, by which a commit would be passed over.
    ranges = (f"-L{line},{line}" for line in lines)
    head = _git("rev-parse", "HEAD").strip()
    found: dict[int, Approval] = {}
    commit, number, told = "", 0, dict[str, str]()
    for line in _git("blame", "--line-porcelain", "--ignore-revs-file=", *ranges, "--", str(path)).split("\n"):
        if match := _BLAMED.fullmatch(line):
            commit, number, told = match[1], int(match[2]), {}
        elif line.startswith("\t"):
            found[number] = _approval(commit, told, head, is_shallow=is_shallow)
        else:
            key, _, value = line.partition(" ")
            told[key] = value
    return found


def _is_committed(path: Path) -> bool:
    try:
        _git("cat-file", "-e", f"HEAD:./{path.as_posix()}")
    except _GitError:
        return False
    return True


def of_lines(path: Path, lines: Sequence[int]) -> dict[int, Approval]:
    """Say of lines of a lock, by their numbers from 1, which commit brought each as it stands in the checkout."""
    try:
        is_shallow = _git("rev-parse", "--is-shallow-repository").strip() == "true"
        if not _is_committed(path):
            return dict.fromkeys(lines, Approval(note=UNCOMMITTED))
        return _blame(path, lines, is_shallow=is_shallow)
    except _GitError as error:
        return dict.fromkeys(lines, Approval(note=f"not known: {error}"))
