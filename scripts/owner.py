"""A folder and a marker in it -> Owner: one run at a time works there, also where the mount has no locks.

First a lock (flock) on the marker: the system ends it with its process, and wakes whoever waits. Some mounts refuse
it, and some grant it to each machine apart. So a file follows, `.owner`, which one run alone can make. Its time is
renewed while that run lives; the file of one that died is replaced, by one run alone.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import re
import secrets
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, NamedTuple

FILE = ".owner"
# In seconds. Other machines may see a file's time a minute late (NFS's attribute cache), so patience is far longer.
HEARTBEAT = 15.0
PATIENCE = 300.0
_POLL = 1.0
# What mounts without locks answer, NFS, FUSE and cluster file systems among them.
_NO_LOCKS = {errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL}
_FULL = {errno.ENOSPC, errno.EDQUOT}
_NO_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_NOTE = re.compile(rb"(process \d+ on [!-~]+, since [\d-]+ [\d:]+ UTC)\nmachine ([!-~]+)\ntoken [0-9a-f]{32}\n")
_UNKNOWN = "-"
# What this process wrote, which may still be there where the file server would not remove it.
_ours: set[bytes] = set()


class _Found(NamedTuple):
    """What an owner file says, b"" where it is no file, and when it was last renewed, in seconds since 1970."""

    note: bytes
    renewed: float

    @property
    def who(self) -> str:
        """The run, in words fit for a terminal."""
        note = _NOTE.fullmatch(self.note)
        return note[1].decode() if note else "another run"

    @property
    def machine(self) -> str:
        """Where its lock counts; unknown where it got none."""
        note = _NOTE.fullmatch(self.note)
        return note[2].decode() if note else _UNKNOWN


def _say(path: Path, text: str) -> None:
    print(f"{path.parent}: {text}", file=sys.stderr, flush=True)


def _find(path: Path) -> _Found | None:
    """Read an owner file; None where there is none. A link is not followed, and a pipe not waited for."""
    os.scandir(path.parent).close()  # NFS asks the server anew which file has the name
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
        return _Found(b"", path.lstat().st_mtime)
    try:
        return _Found(os.read(descriptor, 1000), os.fstat(descriptor).st_mtime)
    except IsADirectoryError:
        raise SystemExit(f"PYPI_ROOT: {path} is a folder, where a file says which run works there; remove it") from None
    finally:
        os.close(descriptor)


def lock(file: IO[str], folder: Path, kind: int) -> bool:
    """Lock a folder's marker until it is closed, waiting for whoever has it; returns whether the mount has locks."""
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        found = _find(folder / FILE)
        _say(folder / FILE, f"waiting for {found.who if found else 'another run'}")
        fcntl.flock(file, kind)
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        return False
    return True


def _machine(file: IO[str], *, is_locked: bool) -> str:
    """Return where a lock counts: the running system, and the mount in it, which may have locks of its own."""
    with suppress(OSError):
        if is_locked:
            return f"{_BOOT_ID.read_text().strip()}/{os.fstat(file.fileno()).st_dev}"
    return _UNKNOWN


def _note(machine: str) -> bytes:
    host = re.sub(r"[^!-~]", "?", socket.gethostname()) or "?"
    who = f"process {os.getpid()} on {host}, since {datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC"
    return f"{who}\nmachine {machine}\ntoken {secrets.token_hex(16)}\n".encode()


def _write_note(descriptor: int, note: bytes) -> None:
    try:
        os.write(descriptor, note)
        os.fsync(descriptor)
    except OSError as error:
        # On a full disk one can still rename, and so go back to an older release: the file counts without its note too.
        if error.errno not in _FULL:
            raise
        os.ftruncate(descriptor, 0)


def _make(path: Path, note: bytes) -> int | None:
    """Make an owner file and leave it open; None where something is there already.

    It is written under a name of its own and then linked, so that nobody finds it without its note. A file system that
    has no links makes it in place.
    """
    own = path.with_name(f"{FILE}.{hashlib.sha256(note).hexdigest()[:16]}.new")
    is_new = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    descriptor = os.open(own, is_new, 0o666)
    try:
        _write_note(descriptor, note)
        os.link(own, path)
    except (FileExistsError, FileNotFoundError):  # another's, or ours was tidied away by one who had just begun
        os.close(descriptor)
        return None
    except OSError as error:
        os.close(descriptor)
        if error.errno not in _NO_LINKS:
            raise
        descriptor = os.open(path, is_new, 0o666)
        _write_note(descriptor, note)
    finally:
        own.unlink(missing_ok=True)
    return descriptor


def _is_old(found: _Found, marker: IO[str]) -> bool:
    """Compare with the time that the file server has now, which it writes to the marker; other clocks may differ."""
    os.utime(marker.fileno())
    return abs(os.fstat(marker.fileno()).st_mtime - found.renewed) > PATIENCE


def _replace(path: Path, found: _Found, note: bytes, marker: IO[str]) -> int | None:
    """Put our file in the place of one whose run died; None where another run is about to, or it lives after all.

    Ours is first made under a name that all who would replace that one file share, so that one of them is alone from
    looking again until its rename, which leaves no moment without an owner.
    """
    ours = path.with_name(f"{path.name}.{hashlib.sha256(found.note).hexdigest()[:16]}")
    descriptor = _make(ours, note)
    if descriptor is None:
        other = _find(ours)
        if other and _is_old(other, marker):  # it died between the two
            ours.unlink(missing_ok=True)
        return None
    if _find(path) == found:
        with suppress(FileNotFoundError):
            ours.rename(path)
            if found.note not in _ours:
                _say(path, f"going on in the place of {found.who}, which died")
            return descriptor
    os.close(descriptor)
    ours.unlink(missing_ok=True)
    return None


def _take(path: Path, marker: IO[str], *, is_locked: bool) -> int:
    """Wait until nobody else owns the folder; returns our owner file, open."""
    machine = _machine(marker, is_locked=is_locked)
    note, told = _note(machine), False
    while True:
        descriptor, found = None, _find(path)
        if found is None:
            descriptor = _make(path, note)
        # Whoever had the lock that we have now has ended.
        elif found.machine == machine != _UNKNOWN or _is_old(found, marker):
            descriptor = _replace(path, found, note, marker)
        elif not told:
            _say(path, f"waiting for {found.who}, or until it gave no sign for {PATIENCE / 60:.0f} minutes")
            told = True
        if descriptor is not None:
            return descriptor
        time.sleep(_POLL)


class Owner:
    """A run's hold on a folder: its owner file, renewed by a thread."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self._path, self._descriptor = path, descriptor
        self._note = os.pread(descriptor, 1000, 0)
        _ours.add(self._note)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._renew, daemon=True)
        self._thread.start()

    def _renew(self) -> None:
        while not self._ended.wait(HEARTBEAT):
            with suppress(OSError):  # a file server that is away may come back
                os.utime(self._descriptor)

    def refuse_if_taken(self) -> None:
        """Raise SystemExit where another run thought this one dead: to be called before what only one may do."""
        found = _find(self._path)
        if found is None or found.note != self._note:
            raise SystemExit(
                f"PYPI_ROOT: {self._path.parent} was taken over by {found.who if found else 'another run'}, since this "
                f"run gave no sign for {PATIENCE / 60:.0f} minutes; run it again"
            )

    def remove(self) -> None:
        """Remove the owner file, if it is still ours."""
        with suppress(OSError, SystemExit):
            self.refuse_if_taken()
            self._path.unlink()

    def end(self) -> None:
        """Let the next run in."""
        self._ended.set()
        self._thread.join()
        # NFS keeps a file that is open when it is removed, under another name. Nothing that counts is lost here.
        with suppress(OSError):
            os.close(self._descriptor)
        self.remove()


@contextmanager
def _removed_on_sigterm(owner: Owner) -> Iterator[None]:
    """Let SIGTERM end the process as it would, but without the owner file; where others handle it, they have to end."""

    def end(*_: object) -> None:
        owner.remove()
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTERM)

    is_ours = threading.current_thread() is threading.main_thread()
    if not is_ours or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


@contextmanager
def owned(folder: Path, marker: IO[str]) -> Iterator[Owner]:
    """Hold a folder alone: a second run waits here, and says for whom. marker is a file in it, open for writing."""
    is_locked = lock(marker, folder, fcntl.LOCK_EX)
    path = folder / FILE
    with ExitStack() as stack:
        owner = Owner(path, _take(path, marker, is_locked=is_locked))
        stack.callback(owner.end)
        stack.enter_context(_removed_on_sigterm(owner))
        for left in folder.glob(f"{FILE}.*"):  # by a run that died while it replaced another
            with suppress(OSError):  # or somebody's, who is told by make verify
                left.unlink(missing_ok=True)
        yield owner
