"""locks/ -> $(PYPI_ROOT)/incoming/: downloads what the locks pin and nobody holds yet, verified by hash.

What is held already, by hash, is not asked for again: with nothing new there is no request at all. For the rest, the
upstream's pages say where the file with the locked sha256 is and how big; pip fetches wheels from there, for the
target whose lock names them. An allowed sdist is read by us, since pip would build it to look inside.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from packaging.utils import NormalizedName
from pypi_simple import DistributionPackage

from scripts.distribution import SUFFIXES, parse_filename, sha256_of
from scripts.locks import Key, Pin
from scripts.pip_environment import pip_environment
from scripts.root import Root, sync_folder, write_synced
from scripts.terminal import Progress, side_by_side
from scripts.upstream import Upstream, UpstreamError

# For a file whose size the upstream does not tell.
UNKNOWN_SIZE_LIMIT = 4 * 2**30
# Room for what pip writes besides the file itself.
SMALLEST_LIMIT = 2**20

Wanted = Mapping[Pin, Sequence[Key]]


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
        return self.file.size if self.file.size is not None else UNKNOWN_SIZE_LIMIT


class Missing(NamedTuple):
    """A pin that ends without a file, the locks that name it, and why."""

    pin: Pin
    keys: Sequence[Key]
    reason: str

    def __str__(self) -> str:
        targets = ", ".join(str(key.path) for key in self.keys)
        return f"{self.pin} ({targets}): {self.reason}"


def misfit(filename: str, pin: Pin, keys: Iterable[Key], allow_sdists: Sequence[str]) -> str | None:
    """Say why a file of that name is not what the pin approves on the keys' targets; None where it is."""
    try:
        name, version = parse_filename(filename)
    except ValueError as error:
        return str(error)
    if (name, version) != (pin.name, pin.version):
        return f"the file with the locked sha256 is {filename}, another release"
    if not filename.endswith(".whl"):
        return None if name in allow_sdists else f"{filename} is an sdist and {name} is not in allow_sdists"
    refused = [str(key.target) for key in keys if not key.target.accepts(filename)]
    return f"{filename} does not fit {', '.join(refused)}" if refused else None


def held(root: Root, wanted: Wanted, allow_sdists: Sequence[str]) -> dict[Pin, Path]:
    """Find the wanted files that the shared folder has, by their content and not by what they are called."""
    by_hash: dict[str, list[Pin]] = {}
    for pin in wanted:
        by_hash.setdefault(pin.sha256, []).append(pin)
    found: dict[Pin, Path] = {}
    for folder in (root.packages, root.incoming, root.retired):
        for path in sorted(folder.iterdir()):
            if not path.name.endswith(SUFFIXES) or path.is_symlink() or not path.is_file():
                continue
            for pin in by_hash.get(sha256_of(path), ()):
                if misfit(path.name, pin, wanted[pin], allow_sdists) is None:
                    found.setdefault(pin, path)
    return found


def _locate(
    upstream: Upstream, wanted: Wanted, missing: Sequence[Pin], allow_sdists: Sequence[str]
) -> tuple[list[Download], list[Missing]]:
    projects = {pin.name: None for pin in missing}
    pages = dict(side_by_side(upstream.files, projects, at_once=8))
    downloads, lost = [], []
    for pin in missing:
        found = _find(pin, wanted[pin], pages[pin.name], allow_sdists)
        if isinstance(found, str):
            lost.append(Missing(pin, wanted[pin], found))
        else:
            downloads.append(Download(pin, wanted[pin][0], found))
    return downloads, lost


def _find(
    pin: Pin, keys: Sequence[Key], files: Sequence[DistributionPackage], allow_sdists: Sequence[str]
) -> DistributionPackage | str:
    """Return the upstream's file for a pin, or why there is none."""
    same_hash = [file for file in files if file.digests.get("sha256") == pin.sha256]
    if same_hash:
        return misfit(same_hash[0].filename, pin, keys, allow_sdists) or same_hash[0]
    if not files:
        return "the upstream does not know the project"
    there = sorted(file.filename for file in files if _is_release(file.filename, pin.name, pin.version))
    if not there:
        return f"the upstream does not have version {pin.version} any more"
    return f"the upstream has no file with sha256 {pin.sha256}; of {pin.version} it has {', '.join(there)}"


def _is_release(filename: str, name: NormalizedName, version: object) -> bool:
    try:
        return parse_filename(filename) == (name, version)
    except ValueError:
        return False


class Fetcher:
    """Downloads into a scratch folder and moves what is verified to `incoming/`, within one deadline."""

    def __init__(self, root: Root, environment: Mapping[str, str], upstream: Upstream, deadline: float) -> None:
        self._root = root
        self._environment = {**environment, "TMPDIR": str(root.scratch.resolve())}
        self._upstream = upstream
        self._deadline = deadline
        self._progress = Progress()
        self._all: Sequence[Download] = ()
        self._done: list[Download] = []

    def fetch(self, downloads: Sequence[Download]) -> list[Missing]:
        """Fetch all; returns those that failed, each with its reason."""
        self._all = downloads
        failed = {d.pin: reason for group in _groups(downloads) for d, reason in self._fetch_group(group)}
        self._progress.clear()
        return [Missing(d.pin, [d.key], failed[d.pin]) for d in downloads if d.pin in failed]

    def _fetch_group(self, group: Sequence[Download]) -> list[tuple[Download, str]]:
        folder = Path(tempfile.mkdtemp(dir=self._root.scratch))
        reason = self._pip(group, folder) if group[0].is_wheel else self._stream(group[0], folder)
        by_hash = {sha256_of(path): path for path in folder.iterdir()}
        arrived = [download for download in group if download.pin.sha256 in by_hash]
        for download in arrived:
            self._move_in(download, by_hash[download.pin.sha256])
        failed = [download for download in group if download.pin.sha256 not in by_hash]
        if len(group) > 1:
            # pip saves nothing of a call in which one file fails: ask for each, so that only the bad ones are missing.
            return [pair for download in failed for pair in self._fetch_group([download])]
        return [(download, reason or "the download does not have the locked sha256") for download in failed]

    def _move_in(self, download: Download, path: Path) -> None:
        """Move a verified file to `incoming/`, after what the upstream says of it."""
        place = self._root.incoming / download.file.filename
        time_of_upload = download.file.upload_time
        facts = {"upload_timestamp": int(time_of_upload.timestamp())} if time_of_upload else {}
        write_synced(place.with_name(f"{place.name}.json"), json.dumps(facts).encode())
        with path.open("rb") as file:
            os.fsync(file.fileno())
        path.replace(place)
        sync_folder(place.parent)
        self._done.append(download)

    def _pip(self, group: Sequence[Download], folder: Path) -> str:
        """Run pip for wheels of one target; returns why it failed, or nothing."""
        lines = [f"{d.pin.name} @ {d.file.url} --hash=sha256:{d.pin.sha256}\n" for d in group]
        requirements = self._root.scratch / f"{folder.name}.txt"
        requirements.write_text("".join(lines), encoding="utf-8")
        limit = max(SMALLEST_LIMIT, *(d.limit for d in group))
        command = (
            *(sys.executable, "-m", "pip", "download"),
            *("--no-deps", "--require-hashes", "--only-binary=:all:", "--no-cache-dir", "--progress-bar=off"),
            *group[0].key.target.pip_options(),
            f"--dest={folder}",
            f"--requirement={requirements}",
        )
        process = subprocess.Popen(
            command,
            env=self._environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            # pip has no option for it: an endless download would fill the disk before its hash is wrong.
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
        )
        try:
            stderr = self._watch(process)
        finally:
            process.kill()
            process.wait()
        return _pip_reason(stderr, limit) if process.returncode else ""

    def _watch(self, process: subprocess.Popen[str]) -> str:
        while True:
            self._show()
            try:
                return process.communicate(timeout=0.2)[1]
            except subprocess.TimeoutExpired:
                if time.monotonic() > self._deadline:
                    return "ERROR: not done within FETCH_TIMEOUT"

    def _stream(self, download: Download, folder: Path) -> str:
        """Read an sdist; returns why that failed, or nothing."""
        try:
            with (folder / "sdist").open("wb") as file:
                for chunk in self._upstream.download(download.file.url, download.limit):
                    file.write(chunk)
                    self._show()
        except UpstreamError as error:
            return str(error)
        return ""

    def _show(self) -> None:
        known = sum(download.file.size or 0 for download in self._done)
        running = sum(path.stat().st_size for path in self._root.scratch.rglob("*") if path.is_file())
        total = sum(download.file.size or 0 for download in self._all)
        self._progress.show(
            f"Fetching: {len(self._done)} of {len(self._all)} files, "
            f"{min(known + running, total) / 1e6:.1f} of {total / 1e6:.1f} MB"
        )


def _groups(downloads: Sequence[Download]) -> Iterator[list[Download]]:
    """Yield what one call fetches: the wheels of one target, or a single sdist."""
    wheels: dict[Key, list[Download]] = {}
    for download in downloads:
        if download.is_wheel:
            wheels.setdefault(download.key, []).append(download)
        else:
            yield [download]
    yield from wheels.values()


def _pip_reason(stderr: str, limit: int) -> str:
    if "File too large" in stderr:
        return f"the download is larger than the {limit} bytes that the upstream announced"
    if "DO NOT MATCH THE HASHES" in stderr:
        return "the download does not have the locked sha256"
    errors = [line.removeprefix("ERROR: ") for line in stderr.splitlines() if line.startswith("ERROR: ")]
    return errors[0] if errors else "pip could not fetch it"


def fetch(
    root: Root, wanted: Wanted, allow_sdists: Sequence[str], *, upstream_url: str, timeout: float
) -> dict[Pin, Path]:
    """Return a verified file for each pin, fetching what is not held; timeout is in seconds.

    Raises SystemExit with one list of all pins that end without a file, and why; what arrived is kept for the next run.
    """
    found = held(root, wanted, allow_sdists)
    missing = [pin for pin in wanted if pin not in found]
    if not missing:
        return found
    environment = pip_environment(upstream_url)
    deadline = time.monotonic() + timeout
    upstream = Upstream(environment, deadline)
    try:
        downloads, lost = _locate(upstream, wanted, missing, allow_sdists)
    except UpstreamError as error:
        raise SystemExit(str(error)) from None
    lost += Fetcher(root, environment, upstream, deadline).fetch(downloads)
    if lost:
        lines = "\n".join(sorted(f"  {one}" for one in lost))
        raise SystemExit(f"{len(lost)} of {len(wanted)} pins have no file; nothing is published:\n{lines}")
    return held(root, wanted, allow_sdists)
