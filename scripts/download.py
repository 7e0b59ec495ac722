"""A located file -> $(PYPI_ROOT)/incoming/: pip for wheels, our own reading for sdists; all verified by hash.

One call of pip is bounded in size by the largest that the upstream tells of its files, and all calls by one deadline.
"""

from __future__ import annotations

import ctypes
import os
import re
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urldefrag

from pypi_simple import DistributionPackage

from scripts import distribution
from scripts.digest import sha256_of
from scripts.durable import sync
from scripts.locks import Key, Pin
from scripts.root import Root, remove
from scripts.terminal import Progress, raise_disk_error
from scripts.upstream import Upstream, UpstreamError

# No file may be larger, whatever the upstream says of it.
LARGEST_LIMIT = 4 * 2**30
# Room for what pip writes besides the file itself.
SMALLEST_LIMIT = 2**20

_PR_SET_PDEATHSIG = 1  # prctl(2)
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None

_TOO_LATE = "not done within FETCH_TIMEOUT"
_PIP_REASONS = (
    ("File too large", "the download is larger than {limit} bytes"),
    ("DO NOT MATCH THE HASHES", "the download does not have the locked sha256"),
    (r"HTTP error (\d+)|too many (\d+) error responses", "HTTP {0}{1}"),
    ("incomplete-download", "the answer breaks off"),
    ("Exceeded 30 redirects", "redirected without end"),
)


class Download(NamedTuple):
    """One file to fetch: the pin that approves it, a lock that names it, and what the upstream says of it."""

    pin: Pin
    key: Key
    file: DistributionPackage

    @property
    def is_wheel(self) -> bool:
        """Whether pip may fetch it."""
        return self.file.filename.endswith(".whl")

    @property
    def limit(self) -> int:
        """Bytes after which the download is cut off."""
        return LARGEST_LIMIT if self.file.size is None else max(0, min(self.file.size, LARGEST_LIMIT))


class Downloader:
    """Downloads into a scratch folder and moves what is verified to `incoming/`, within one deadline."""

    def __init__(
        self,
        root: Root,
        environment: Mapping[str, str],
        upstream: Upstream,
        deadline: float,
        keep_facts: Callable[[Pin], None],
    ) -> None:
        self._root = root
        self._keep_facts = keep_facts
        self._environment = {**environment, "TMPDIR": str(root.scratch.resolve())}
        self._upstream = upstream
        self._deadline = deadline
        self._progress = Progress()
        self._all: Sequence[Download] = ()
        self._done: list[Download] = []

    def fetch(self, downloads: Sequence[Download]) -> dict[Pin, str]:
        """Fetch all; returns those that failed, each with its reason."""
        self._all = downloads
        failed = {d.pin: reason for group in _groups(downloads) for d, reason in self._fetch_group(group)}
        self._progress.clear()
        return failed

    def _fetch_group(self, group: Sequence[Download]) -> list[tuple[Download, str]]:
        if time.monotonic() > self._deadline:
            return [(download, _TOO_LATE) for download in group]
        folder = Path(tempfile.mkdtemp(dir=self._root.scratch.resolve()))
        reason = self._pip(group, folder) if group[0].is_wheel else self._stream(group[0], folder)
        by_hash = {sha256_of(path): path for path in folder.iterdir()}
        arrived = [download for download in group if download.pin.sha256 in by_hash]
        for download in arrived:
            self._move_in(download, by_hash[download.pin.sha256])
        remove(folder)
        failed = [download for download in group if download.pin.sha256 not in by_hash]
        if len(group) > 1:
            # pip saves nothing of a call in which one file fails: halve it, until only the bad ones are missing.
            middle = (len(failed) + 1) // 2
            halves = filter(None, (failed[:middle], failed[middle:]))
            return [pair for half in halves for pair in self._fetch_group(half)]
        return [(download, reason or "the download does not have the locked sha256") for download in failed]

    def _move_in(self, download: Download, path: Path) -> None:
        """Move a verified file to `incoming/`, after what the upstream says of it."""
        self._keep_facts(download.pin)
        place = self._root.incoming / download.file.filename
        with path.open("rb") as file:
            os.fsync(file.fileno())
        remove(place)
        path.replace(place)
        sync(place.parent)
        self._done.append(download)

    def _pip(self, group: Sequence[Download], folder: Path) -> str:
        """Run pip for wheels of one target; returns why it failed, or nothing."""
        limit = max(SMALLEST_LIMIT, *(d.limit for d in group))
        with subprocess.Popen(
            self._command(group, folder),
            env=self._environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            errors="replace",
            # pip has no option for it: an endless download would fill the disk before its hash is wrong.
            preexec_fn=lambda: _bound(limit),
        ) as process:
            try:
                stderr = self._watch(process)
            finally:
                process.kill()
        if not process.returncode:
            return ""
        raise_disk_error(stderr, folder)
        inspected = _known_reason(stderr, limit) or (len(group) == 1 and self._inspect(group[0], folder))
        return inspected or _last_words(stderr)

    def _command(self, group: Sequence[Download], folder: Path) -> tuple[str, ...]:
        lines = [f"{d.pin.name} @ {urldefrag(d.file.url)[0]} --hash=sha256:{d.pin.sha256}\n" for d in group]
        requirements = self._root.scratch / f"{folder.name}.txt"
        requirements.write_text("".join(lines), encoding="utf-8")
        return (
            *(sys.executable, "-m", "pip", "download"),
            *("--no-deps", "--require-hashes", "--only-binary=:all:", "--no-cache-dir", "--progress-bar=off"),
            *group[0].key.target.pip_options(),
            f"--dest={folder}",
            f"--requirement={requirements}",
        )

    def _watch(self, process: subprocess.Popen[str]) -> str:
        while True:
            self._show()
            try:
                return process.communicate(timeout=0.2)[1]
            except subprocess.TimeoutExpired:
                if time.monotonic() > self._deadline:
                    return f"ERROR: {_TOO_LATE}"

    def _inspect(self, download: Download, folder: Path) -> str | None:
        """Say what is wrong with a wheel that pip refuses: pip says that in many ways, tracebacks among them."""
        path = folder / download.file.filename
        try:
            self._upstream.download(download.file.url, download.limit, path, self._show)
            distribution.read(path, download.pin.sha256)
        except (UpstreamError, ValueError) as error:
            return str(error)
        finally:
            remove(path)
        return None

    def _stream(self, download: Download, folder: Path) -> str:
        """Read an sdist; returns why that failed, or nothing."""
        try:
            self._upstream.download(download.file.url, download.limit, folder / "sdist", self._show)
        except UpstreamError as error:
            return str(error)
        return ""

    def _show(self) -> None:
        if not self._progress.is_due():
            return
        done = sum(download.file.size or 0 for download in self._done) + _size(self._root.scratch)
        sizes = [download.file.size for download in self._all]
        total = sum(size or 0 for size in sizes)
        # pip has a file twice for a moment; an upstream need not tell sizes.
        megabytes = f"{done / 1e6:.1f}" if None in sizes else f"{min(done, total) / 1e6:.1f} of {total / 1e6:.1f}"
        self._progress.show(f"Fetching: {len(self._done)} of {len(self._all)} files, {megabytes} MB")


def _groups(downloads: Sequence[Download]) -> Iterator[list[Download]]:
    """Yield what one call fetches: wheels of one target, one a project, since pip takes no more; or a single sdist.

    The largest size that is told bounds the whole call, so that files without one have calls of their own.
    """
    wheels: dict[tuple[Key, bool, int], list[Download]] = {}
    seen: Counter[tuple[Key, str]] = Counter()
    for download in downloads:
        if not download.is_wheel:
            yield [download]
            continue
        project = download.key, download.pin.name
        wheels.setdefault((download.key, download.file.size is None, seen[project]), []).append(download)
        seen[project] += 1
    yield from wheels.values()


def _bound(limit: int) -> None:
    """Limit what this process may write to a file, and on Linux end it with its parent, however that dies."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    if _LIBC:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _size(folder: Path) -> int:
    """Add up the sizes of a folder's files while they come and go."""
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            with suppress(FileNotFoundError):
                total += Path(parent, name).lstat().st_size
    return total


def _known_reason(stderr: str, limit: int) -> str | None:
    for pattern, reason in _PIP_REASONS:
        if match := re.search(pattern, stderr):
            return reason.format(*match.groups(""), limit=limit)
    return None


def _last_words(stderr: str) -> str:
    lines = [line for line in stderr.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR: ") and line != "ERROR: Exception:"]
    return (errors[:1] or lines[-1:] or ["pip could not fetch it"])[0].removeprefix("ERROR: ")
