"""$(PYPI_ROOT) -> its parts: the layout of the shared folder, whose it is, and who works on it now.

packages/       the pool: the live release's files and sidecars, flat, and nothing else
retired/        what left the pool: files that only older kept releases need
incoming/       fetched and verified, not yet published
releases/<id>/  complete pages, and packages -> ../../packages
web             -> releases/<id>: the document root
bin/            caddy and its Caddyfile
.pypi-index     says that the folder is ours; who works on it holds a lock on it (scripts/owner.py)
.owner          names the run that works on it
.generation     the greatest generation that was published (scripts/release.py)
.rolled-back    which release was taken back (scripts/rolled_back.py)
.last-run*      what the last run worked with, read and left: the next one knows by it what there is to do
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, NamedTuple

from scripts.files import is_file, is_folder, remove
from scripts.owner import Owner, lock, owned

_MARKER = ".pypi-index"
_MARKER_TEXT = "pypi-index, layout 1\n"
# What a fresh volume may hold before anybody used it.
NOT_CONTENT = {"lost+found", ".snapshot"}
_RELEASE = re.compile(r"(20\d{6}T\d{6}Z)-[0-9a-f]{12}")
RELEASE_TIME = "%Y%m%dT%H%M%SZ"
# Clocks differ, and a later release always gets a later time; but nobody's release takes the years to come away.
_AHEAD = timedelta(days=2)


class Root(NamedTuple):
    """The shared folder. Its parts exist once `opened` has been entered."""

    path: Path
    owner: Owner | None = None

    @property
    def packages(self) -> Path:
        """The pool."""
        return self.path / "packages"

    @property
    def retired(self) -> Path:
        """What left the pool."""
        return self.path / "retired"

    @property
    def incoming(self) -> Path:
        """Fetched, not yet published."""
        return self.path / "incoming"

    @property
    def scratch(self) -> Path:
        """Where downloads are written; on the same file system, so that a rename moves them."""
        return self.incoming / ".scratch"

    @property
    def releases(self) -> Path:
        """One folder a release."""
        return self.path / "releases"

    @property
    def web(self) -> Path:
        """The link that readers come through."""
        return self.path / "web"

    @property
    def bin(self) -> Path:
        """What the serving side runs."""
        return self.path / "bin"

    @property
    def live(self) -> Path | None:
        """The release that `web` shows; None before the first, and where `web` leads elsewhere."""
        shown = self.path / self.web.readlink() if self.web.is_symlink() else self.web
        is_one = shown.parent == self.releases and release_time(shown) and is_folder(shown)
        return shown if is_one else None

    def published(self) -> Path:
        """Return the live release; raises SystemExit where there is none."""
        if live := self.live:
            return live
        raise SystemExit(f"{self.web}: nothing is published there; run make index")

    @property
    def all_releases(self) -> list[Path]:
        """The releases, oldest first. What does not say that it is one, or is of a time far ahead, is a stray."""
        latest, live = datetime.now(UTC) + _AHEAD, self.live
        found = ((path, release_time(path)) for path in self.releases.glob("*") if is_folder(path) and path != live)
        whole = (path for path, made in found if made and made < latest and is_file(path / "release.txt"))
        return sorted([*whole, *filter(None, [live])])

    def now(self) -> float:
        """Return the time of the file server, in seconds since 1970, as files have it; our own clock may differ."""
        os.utime(self.path / _MARKER)
        return (self.path / _MARKER).stat().st_mtime

    def refuse_if_taken(self) -> None:
        """Raise SystemExit where another run thought this one dead and took the folder over; nothing if only read."""
        if self.owner:
            self.owner.refuse_if_taken()


def release_time(release: Path) -> datetime | None:
    """Return when a release was made, as its name says; None where that is no release's name."""
    try:
        name = _RELEASE.fullmatch(release.name)
        return datetime.strptime(name[1], RELEASE_TIME).replace(tzinfo=UTC) if name else None
    except ValueError:
        return None


def _claim(root: Root) -> None:
    """Make the folder ours if it is new or empty; raises SystemExit if it holds other things."""
    if {"{", "}"} & set(str(root.path)):
        raise SystemExit(
            f"PYPI_ROOT: {root.path} has braces, which a Caddyfile would take for a placeholder; rename it"
        )
    if root.path.exists() and not root.path.is_dir():
        raise SystemExit(f"PYPI_ROOT: {root.path} is not a folder; name a new or empty one")
    # One look: another run may be making the folder its own just now.
    others = {path.name for path in root.path.iterdir()} - NOT_CONTENT if root.path.is_dir() else set()
    marker = root.path / _MARKER
    if _MARKER in others and is_file(marker):
        return
    if {"packages", "releases", "web"} <= others:
        fact = f"has a release's folders, but no {_MARKER}"
        raise SystemExit(f"PYPI_ROOT: {root.path} {fact}; bring over that one too, or name a new or empty folder")
    if others:
        raise SystemExit(
            f"PYPI_ROOT: {root.path} holds other things ({', '.join(sorted(others)[:3])}) and no release of ours; "
            "name a new or empty folder"
        )
    root.path.mkdir(parents=True, exist_ok=True)
    marker.write_text(_MARKER_TEXT)


@contextmanager
def _open_marker(root: Root) -> Iterator[IO[str]]:
    # A link in the marker's place would have us write where it leads.
    descriptor = os.open(root.path / _MARKER, os.O_RDWR | os.O_NOFOLLOW)
    marker = os.fdopen(descriptor, "r+", encoding="utf-8", errors="replace")
    try:
        yield marker
    finally:
        with suppress(OSError):  # nothing was written
            marker.close()


def _make_parts(root: Root) -> None:
    for part in (root.packages, root.retired, root.incoming, root.releases, root.bin):
        part.mkdir(exist_ok=True)
        if part.is_symlink():
            raise SystemExit(f"PYPI_ROOT: {part} is a link, and what it leads to may not be ours; put a folder there")
    remove(root.scratch)  # what a killed run left half-written
    root.scratch.mkdir()


@contextmanager
def opened(path: Path) -> Iterator[Root]:
    """Claim the shared folder and hold it alone: a second run waits here, and says for whom.

    Raises SystemExit where the folder holds other things, cannot be written or cannot be locked.
    """
    root = Root(path)
    with ExitStack() as stack:
        try:
            _claim(root)
            root = Root(path, stack.enter_context(owned(path, stack.enter_context(_open_marker(root)))))
            _make_parts(root)
        except OSError as error:
            where = error.filename or path
            raise SystemExit(f"PYPI_ROOT: {where}: {error.strerror}; name a folder that can be written") from None
        stack.callback(shutil.rmtree, root.scratch, ignore_errors=True)
        yield root


@contextmanager
def opened_to_read(path: Path) -> Iterator[Root]:
    """Hold a shared folder as it is, which may be read-only: no run publishes to it meanwhile.

    Raises SystemExit where the folder is not ours or cannot be read.
    """
    marker = path / _MARKER
    if not is_file(marker):
        raise SystemExit(f"PYPI_ROOT: {path} holds no release of ours; run make index")
    try:
        with marker.open(encoding="utf-8", errors="replace") as file:
            lock(file, path, fcntl.LOCK_SH)  # where there are no locks, what is read may be changing
            yield Root(path)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise SystemExit(f"PYPI_ROOT: {error.filename or path}: {error.strerror}; mend that, then try again") from None
