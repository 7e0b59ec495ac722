"""Located files -> $(PYPI_ROOT)/incoming/: read as they are, side by side; verified by hash, and nothing of them runs.

pip is not asked: it would build an sdist to look inside, and it resolves what a lock has resolved already.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from threading import Lock
from typing import NamedTuple

from pypi_simple import DistributionPackage

from scripts.durable import sync
from scripts.files import remove
from scripts.locks import Pin
from scripts.root import Root
from scripts.terminal import Progress
from scripts.until import until
from scripts.upstream import Upstream, UpstreamError

# No file may be larger, whatever the upstream says of it; and a size that is told too small cuts nothing off.
LARGEST_LIMIT = 4 * 2**30
SMALLEST_LIMIT = 2**20

_TOO_LATE = "not done within FETCH_TIMEOUT"


class Download(NamedTuple):
    """One file to fetch: the pin that approves it, and what the upstream says of it."""

    pin: Pin
    file: DistributionPackage

    @property
    def limit(self) -> int:
        """Bytes after which the download is cut off."""
        return LARGEST_LIMIT if self.file.size is None else max(SMALLEST_LIMIT, min(self.file.size, LARGEST_LIMIT))


class _Shown:
    """How far the downloads are, told by many threads."""

    def __init__(self, downloads: Sequence[Download]) -> None:
        sizes = [download.file.size for download in downloads]
        self._count = len(sizes)
        # An upstream need not tell sizes, and may tell wrong ones.
        self._total = None if None in sizes else sum(max(0, size or 0) for size in sizes)
        self._files, self._bytes = 0, 0
        self._progress, self._alone = Progress(), Lock()

    def add(self, size: int = 0, *, files: int = 0) -> None:
        with self._alone:
            self._files, self._bytes = self._files + files, self._bytes + size
            if self._progress.is_due():
                done, total = self._bytes / 1e6, self._total
                megabytes = f"{done:.1f}" if total is None else f"{min(done, total / 1e6):.1f} of {total / 1e6:.1f}"
                self._progress.show(f"Fetching: {self._files} of {self._count} files, {megabytes} MB")

    def clear(self) -> None:
        with self._alone:
            self._progress.clear()


def download_all(
    root: Root, upstream: Upstream, downloads: Sequence[Download], keep_facts: Callable[[Pin], None]
) -> dict[Pin, str]:
    """Fetch files within the upstream's deadline; returns those that failed, each with its reason."""
    failed: dict[Pin, str | None] = {download.pin: _TOO_LATE for download in downloads}
    shown = _Shown(downloads)
    shown.add()

    def fetch(number: int) -> str | None:
        pin, file = downloads[number].pin, downloads[number].file
        path, place = root.scratch / str(number), root.incoming / file.filename
        try:
            if upstream.save(file.url, downloads[number].limit, path, shown.add) != pin.sha256:
                return "the download does not have the locked sha256"
            keep_facts(pin)  # what the upstream says of it comes first: a file that is there is not asked for again
            remove(place)
            path.replace(place)
        except UpstreamError as error:
            return str(error)
        finally:
            remove(path)
        shown.add(files=1)
        return None

    try:
        with suppress(TimeoutError):
            for number, reason in until(upstream.deadline, fetch, range(len(downloads))):
                failed[downloads[number].pin] = reason
    finally:
        shown.clear()
    sync(root.incoming)
    return {pin: reason for pin, reason in failed.items() if reason}
