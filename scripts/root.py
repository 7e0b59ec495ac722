"""$(PYPI_ROOT) -> its parts: the layout of the shared folder, whose it is, and who works on it now.

packages/       the pool: the live release's files and sidecars, flat, and nothing else
retired/        what left the pool: files that only older kept releases need
incoming/       fetched and verified, not yet published
releases/<id>/  complete pages, and packages -> ../../packages
web             -> releases/<id>: the document root
bin/            caddy and its Caddyfile
.pypi-index     says that the folder is ours, and names the run that works on it
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, NamedTuple

_MARKER = ".pypi-index"
_MARKER_TEXT = "pypi-index, layout 1"
# What a fresh volume may hold before anybody used it.
_NOT_CONTENT = {"lost+found", ".snapshot"}


class Root(NamedTuple):
    """The shared folder. Its parts exist once `opened` has been entered."""

    path: Path

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
        """The release that `web` shows; None before the first."""
        return self.releases / self.web.readlink().name if self.web.is_symlink() and self.web.exists() else None


def _claim(root: Root) -> None:
    """Make the folder ours if it is new or empty; raises SystemExit if it holds other things."""
    if root.path.exists() and not root.path.is_dir():
        raise SystemExit(f"PYPI_ROOT: {root.path} is not a folder; name a new or empty one")
    marker = root.path / _MARKER
    if marker.is_file():
        return
    if root.path.is_dir() and (others := {path.name for path in root.path.iterdir()} - _NOT_CONTENT):
        raise SystemExit(
            f"PYPI_ROOT: {root.path} holds other things ({', '.join(sorted(others)[:3])}) and no release of ours; "
            "name a new or empty folder"
        )
    root.path.mkdir(parents=True, exist_ok=True)
    marker.write_text(f"{_MARKER_TEXT}\n", encoding="utf-8")


def _wait_for_lock(file: IO[str], path: Path) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        owner = file.read().partition("\n")[2].strip() or "another run"
        print(f"{path}: waiting for {owner}", file=sys.stderr, flush=True)
        fcntl.flock(file, fcntl.LOCK_EX)


@contextmanager
def opened(path: Path) -> Iterator[Root]:
    """Claim the shared folder and hold it alone: a second run waits here, and says for whom.

    Raises SystemExit where the folder holds other things, cannot be written or cannot be locked.
    """
    root = Root(path)
    try:
        _claim(root)
        marker = (path / _MARKER).open("r+", encoding="utf-8")
    except OSError as error:
        raise SystemExit(f"PYPI_ROOT: {error.filename}: {error.strerror}; name a folder that can be written") from None
    with marker:
        _wait_for_lock(marker, path)
        owner = f"process {os.getpid()} on {socket.gethostname()}, since {datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC"
        marker.seek(0)
        marker.write(f"{_MARKER_TEXT}\n{owner}\n")
        marker.truncate()
        marker.flush()
        for part in (root.packages, root.retired, root.incoming, root.releases, root.bin):
            part.mkdir(exist_ok=True)
        # What a killed run left half-written.
        shutil.rmtree(root.scratch, ignore_errors=True)
        root.scratch.mkdir()
        yield root
        shutil.rmtree(root.scratch, ignore_errors=True)


def sync_folder(path: Path) -> None:
    """fsync a folder, so that the names in it survive a crash; file systems that cannot are left alone."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
    finally:
        os.close(descriptor)


def write_synced(path: Path, data: bytes, *, executable: bool = False) -> None:
    """Write a file under another name, fsync it, and rename it into place: nobody sees half of it."""
    temporary = path.with_name(f".{path.name}.new")
    with temporary.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    if executable:
        mode = temporary.stat().st_mode
        temporary.chmod(mode | (mode & 0o444) >> 2)
    temporary.replace(path)
