"""A git revision -> what the checkout's files were there: read from git's objects, so that no file is touched.

Nothing of git's environment could lead the commands to another repository.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import NamedTuple

# What the default branch may be called, the first that there is.
_DEFAULTS = ("origin/HEAD", "origin/main", "origin/master", "main", "master")
_DEEPER = "this clone is shallow, so fetch the rest of it with git fetch --unshallow"


class Revision(NamedTuple):
    """A commit, by its id, and the text of each file that was asked for, by its path from the current folder."""

    commit: str
    texts: dict[PurePosixPath, str]


def git(*arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """Run git in the current folder; raises SystemExit where there is none."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")} | {"LC_ALL": "C"}
    command = ("git", "--no-pager", "--no-replace-objects", "--no-optional-locks", *arguments)
    try:
        return subprocess.run(command, env=environment, input=stdin, capture_output=True, check=False)
    except FileNotFoundError:
        raise SystemExit("git: there is no such program; install it") from None


def _run(*arguments: str, stdin: bytes = b"") -> bytes:
    """Return what git says; nothing where it fails."""
    done = git(*arguments, stdin=stdin)
    return b"" if done.returncode else done.stdout


def _word(*arguments: str) -> str:
    return _run(*arguments).decode().strip()


def _commit(name: str) -> str:
    """Return the id of the commit that a name means; "" where there is none."""
    is_option = name.startswith("-")
    return "" if is_option else _word("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}")


def _is_shallow() -> bool:
    return _word("rev-parse", "--is-shallow-repository") == "true"


def _named(base: str) -> str:
    if found := _commit(base):
        return found
    remedy = _DEEPER if _is_shallow() else "name a branch, a tag or a commit"
    raise SystemExit(f"BASE={base}: git knows no such commit; {remedy}")


def _merge_base() -> str:
    default = next(filter(_commit, _DEFAULTS), "")
    if not default:
        raise SystemExit(f"BASE: there is no default branch ({', '.join(_DEFAULTS)}); name a commit, as BASE=v1.0")
    if found := _word("merge-base", "HEAD", default):
        return found
    remedy = _DEEPER if _is_shallow() else "name a commit, as BASE=v1.0"
    raise SystemExit(f"BASE: HEAD and {default} have no commit in common; {remedy}")


def _blobs(commit: str, paths: tuple[str, ...]) -> Iterator[tuple[PurePosixPath, str]]:
    """Yield path and object of each file; links and submodules are none."""
    listed = _run("ls-tree", "-r", "-z", commit, "--", *paths)
    for entry in filter(None, listed.decode("utf-8", "replace").split("\0")):
        about, _, path = entry.partition("\t")
        mode, _, blob = about.split()
        if mode in {"100644", "100755"}:
            yield PurePosixPath(path), blob


def _contents(blobs: list[str]) -> Iterator[str]:
    """Yield each object's text; bytes that are no text come as U+FFFD, as in locks.read_body."""
    answer = _run("cat-file", "--batch", stdin="".join(f"{blob}\n" for blob in blobs).encode())
    for _ in blobs:
        head, _, answer = answer.partition(b"\n")
        size = int(head.split()[2])
        yield answer[:size].decode("utf-8", "replace").replace("\r\n", "\n")
        answer = answer[size + 1 :]


def _no_checkout() -> str:
    if b"dubious ownership" in git("rev-parse", "HEAD").stderr:
        return "git: does not trust the checkout, which another user owns; name it as a safe.directory of git config"
    return "git: this folder is in no git checkout that has a commit; run make review in one"


def read(base: str, *paths: str) -> Revision:
    """Return the files below paths as they were at base; "" means where HEAD left the default branch.

    Raises SystemExit with one sentence where there is no git checkout or no such commit.
    """
    if not _commit("HEAD"):
        raise SystemExit(_no_checkout())
    commit = _named(base) if base else _merge_base()
    found = dict(_blobs(commit, paths))
    return Revision(commit, dict(zip(found, _contents(list(found.values())), strict=True)))


def head(*inputs: str) -> str:
    """Return HEAD's id, with `-dirty` behind it where files differ from it; "" where git knows no commit.

    Files that git does not know count among the inputs only.
    """
    try:
        commit = _commit("HEAD")
    except SystemExit:  # there is no git, and need not be
        return ""
    is_dirty = _run("status", "--porcelain", "--untracked-files=no") or _run("status", "--porcelain", "--", *inputs)
    return f"{commit}-dirty" if commit and is_dirty else commit


def head_moment(*paths: str) -> datetime:
    """Return when the checkout's files below paths became what they are: HEAD's time, or now where they differ."""
    now = datetime.now(UTC).replace(microsecond=0)
    if _run("status", "--porcelain", "--", *paths):
        return now
    seconds = int(_word("rev-list", "--max-count=1", "--format=%ct", "HEAD").split()[-1])
    return datetime.fromtimestamp(min(seconds, int(now.timestamp())), UTC)
