"""locks/ -> $(PYPI_ROOT)/incoming/: downloads what the locks pin and nobody holds yet, verified by hash.

What is held already, by hash, is not asked for again: with nothing new there is no request at all. For the rest, the
upstream's pages say where the file with the locked sha256 is, how big it is and what else there is to know of it; pip
fetches wheels from there, for the target whose lock names them. An allowed sdist is read by us, since pip would build
it to look inside.
"""

from __future__ import annotations

import re
import shutil
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urldefrag, urlsplit

from packaging.utils import NormalizedName, parse_wheel_filename
from packaging.version import Version
from pypi_simple import DistributionPackage

from scripts import facts, first_party, locks
from scripts.config import Config
from scripts.distribution import SUFFIXES, parse_filename, sha256_of
from scripts.download import Download, Downloader
from scripts.facts import Memory, Status
from scripts.list_files import published
from scripts.locks import Key, Pin
from scripts.pip_environment import pip_environment
from scripts.root import Root, is_file
from scripts.upstream import Page, Upstream, UpstreamError

# What a URL may hold to stand in a requirements file. There a space begins an option, a line break another line, and
# ${NAME} reads the environment: the upstream must not be able to say any of these.
_PLAIN_URL = re.compile(r"https?://[A-Za-z0-9._~:/?@!&()*+,;=%\[\]-]+")

_RENAMED = "it was published under another name than the upstream's, and that file is gone; take another version"
Wanted = Mapping[Pin, Sequence[Key]]
Pages = Mapping[str, Page | None]


_MOST_LOCKS = 3  # that one line of the list names


class Missing(NamedTuple):
    """A pin that ends without a file, the locks that name it, and why."""

    pin: Pin
    keys: Sequence[Key]
    reason: str

    def __str__(self) -> str:
        named = [str(key.path) for key in self.keys[:_MOST_LOCKS]]
        more = [f"{len(self.keys) - len(named)} more"] if len(self.keys) > len(named) else []
        return f"{self.pin} ({', '.join(named + more)}): {self.reason}"


def misfit(filename: str, pin: Pin, keys: Iterable[Key], allow_sdists: Sequence[str]) -> str | None:
    """Say why a file of that name is not what the pin approves on the keys' targets; None where it is."""
    try:
        name, version = parse_filename(filename)
    except ValueError as error:
        return f"the file with the locked sha256 has no proper name: {error}"
    if (name, version) != (pin.name, pin.version):
        return f"the file with the locked sha256 is {filename}, another release"
    if not filename.endswith(".whl"):
        return None if name in allow_sdists else f"{filename} is an sdist and {name} is not in allow_sdists"
    refused = [str(key.target) for key in keys if not key.target.accepts(filename)]
    return f"{filename} does not fit {', '.join(refused)}" if refused else None


def held(root: Root, wanted: Wanted, allow_sdists: Sequence[str]) -> dict[Pin, Path]:
    """Find the wanted files that the shared folder has, by their content.

    A name that was published stays: the same content under another name is a stray, such as a twin in other case.
    """
    known = published(root)
    by_hash: dict[str, list[Pin]] = {}
    for pin in wanted:
        by_hash.setdefault(pin.sha256, []).append(pin)
    found: dict[Pin, Path] = {}
    for folder in (root.packages, root.incoming, root.retired):
        for path in sorted(folder.iterdir()):
            if not path.name.endswith(SUFFIXES) or not is_file(path):
                continue
            sha256 = sha256_of(path)
            if known.get(sha256, {}).get("filename", path.name) != path.name:
                continue
            for pin in by_hash.get(sha256, ()):
                if misfit(path.name, pin, wanted[pin], allow_sdists) is None:
                    found.setdefault(pin, path)
    return found


def _locate(
    pages: Pages, wanted: Wanted, missing: Sequence[Pin], allow_sdists: Sequence[str]
) -> tuple[list[Download], list[Missing]]:
    downloads: list[Download] = []
    lost: list[Missing] = []
    names: dict[str, str] = {}
    for pin in missing:
        found = _find(pin, wanted[pin], pages[pin.name], allow_sdists)
        if isinstance(found, str):
            lost.append(Missing(pin, wanted[pin], found))
        elif names.setdefault(found.filename, pin.sha256) != pin.sha256:
            lost.append(Missing(pin, wanted[pin], f"{found.filename} is locked with two hashes; run make upgrade"))
        else:
            downloads.append(Download(pin, wanted[pin][0], found))
    return downloads, lost


def _find(pin: Pin, keys: Sequence[Key], page: Page | None, allow_sdists: Sequence[str]) -> DistributionPackage | str:
    """Return the upstream's file for a pin, or why there is none."""
    if page is None:
        return "the upstream does not know the project"
    if page.status.status == "quarantined":
        return "the upstream has quarantined the project" + (f": {page.status.reason}" if page.status.reason else "")
    reasons = []
    for file in _candidates(pin, keys[0], page.files):
        reason = misfit(file.filename, pin, keys, allow_sdists) or _url_problem(file)
        if reason is None:
            return file
        reasons.append(reason)
    return reasons[0] if reasons else _what_exists(pin, page.files)


def _candidates(pin: Pin, key: Key, files: Sequence[DistributionPackage]) -> list[DistributionPackage]:
    """List the files with the pin's hash; where the upstream tells none, the one that make lock took."""
    same = [file for file in files if file.digests.get("sha256", "").lower() == pin.sha256]
    rest = [file for file in files if "sha256" not in file.digests and _is_release(file.filename, pin)]
    return same or sorted(rest, key=lambda file: _rank(key, file.filename))[:1]


def _rank(key: Key, filename: str) -> int:
    """Place a file in the target's order of preference, an sdist at its end."""
    tags = parse_wheel_filename(filename)[3] if filename.endswith(".whl") else frozenset()
    return next((rank for rank, tag in enumerate(key.target.tags) if tag in tags), len(key.target.tags))


def _url_problem(file: DistributionPackage) -> str | None:
    """Say why pip must not see a file's URL: by its end pip tells a wheel from an sdist, whose code it runs."""
    url = urldefrag(file.url)[0]
    if _PLAIN_URL.fullmatch(url) and unquote(urlsplit(url).path).rpartition("/")[2] == file.filename:
        return None
    return f"the upstream gives {file.filename} the URL {file.url!r}, which is not a plain one of a file of that name"


def _what_exists(pin: Pin, files: Sequence[DistributionPackage]) -> str:
    there = sorted(file.filename for file in files if _is_release(file.filename, pin))
    if there:
        return f"the upstream has no file with sha256 {pin.sha256}; of {pin.version} it has {', '.join(there)}"
    versions = sorted({version for file in files if (version := _version(file.filename, pin.name))})
    others = f"it has {', '.join(map(str, versions[-5:]))}" if versions else "it lists no file of the project"
    return f"the upstream does not have version {pin.version} any more; {others}"


def _version(filename: str, project: NormalizedName) -> Version | None:
    try:
        name, version = parse_filename(filename)
    except ValueError:
        return None
    return version if name == project else None


def _is_release(filename: str, pin: Pin) -> bool:
    return _version(filename, pin.name) == pin.version


class _Told(NamedTuple):
    """What an upstream's page says of the file of a pin."""

    pin: Pin
    file: DistributionPackage
    status: Status


def _told(pages: Pages, wanted: Wanted, downloads: Sequence[Download]) -> list[_Told]:
    """List what the pages say of all wanted files of their projects: of what is held already, the news."""
    files = {download.pin: download.file for download in downloads}
    told = []
    for pin in wanted:
        if page := pages.get(pin.name):
            same = (file for file in _candidates(pin, wanted[pin][0], page.files) if _is_release(file.filename, pin))
            if file := files.get(pin) or next(same, None):
                told.append(_Told(pin, file, page.status))
    return told


def _provenances(root: Root, upstream: Upstream, told: Iterable[_Told]) -> dict[Pin, bytes]:
    """Fetch the provenance (PEP 740) of each file that has one which no earlier run fetched."""
    memory = Memory(root)
    located = {
        one.pin: (one.file.filename, one.file.provenance_url)
        for one in told
        if one.file.provenance_url and not memory.knows_provenance(one.pin.name, one.pin.sha256)
    }
    answers = upstream.provenances(dict.fromkeys(url for _, url in located.values()))
    found = {}
    for pin, (filename, url) in located.items():
        if isinstance(answer := answers[url], bytes):
            found[pin] = answer
        else:
            print(f"{filename}: published without its provenance, {answer}", file=sys.stderr)
    return found


def _list_of(lost: Sequence[Missing], wanted: Wanted) -> str:
    lines = "\n".join(sorted(f"  {one}" for one in lost))
    remedy = "try again, or take what the upstream has now with make upgrade"
    return f"{len(lost)} of {len(wanted)} pins have no file, nothing is published; {remedy}:\n{lines}"


def _take_in(root: Root, wheels: Iterable[Path]) -> None:
    """Copy in-house wheels to where downloads wait."""
    for wheel in wheels:
        temporary = root.scratch / wheel.name
        temporary.parent.mkdir(exist_ok=True)
        shutil.copyfile(wheel, temporary)
        temporary.rename(root.incoming / wheel.name)


def _not_in_house(pin: Pin, wheels: Mapping[str, Path]) -> str:
    there = sorted(path.name for path in wheels.values() if _version(path.name, pin.name))
    others = f"it has {', '.join(there)}; run make lock" if there else "it has none of the project; put it back"
    return f"first_party has no wheel with sha256 {pin.sha256}; {others}"


def fetch(root: Root, wanted: Wanted, settings: Config, *, upstream_url: str, timeout: float) -> dict[Pin, Path]:
    """Return a verified file for each pin, fetching what is not held; timeout is in seconds.

    Raises SystemExit with one list of all pins that end without a file, and why; what arrived is kept for the next run.
    """
    allow_sdists, wheels = settings.allow_sdists, first_party.read(settings.first_party).wheels
    found = held(root, wanted, allow_sdists)
    if ours := [wheels[pin.sha256] for pin in wanted if pin not in found and pin.sha256 in wheels]:
        _take_in(root, ours)
        found = held(root, wanted, allow_sdists)
    missing = [pin for pin in wanted if pin not in found]
    if not missing:
        return found
    in_house = locks.in_house(key for pin in missing for key in wanted[pin])
    lost = [Missing(pin, wanted[pin], _not_in_house(pin, wheels)) for pin in missing if pin in in_house]
    if lost:  # all else can wait: the upstream is not asked for a release that cannot be
        raise SystemExit(_list_of(lost, wanted))
    environment = pip_environment(upstream_url)
    deadline = time.monotonic() + timeout
    upstream = Upstream(environment, deadline)
    try:
        pages = upstream.pages(dict.fromkeys(pin.name for pin in missing))
    except UpstreamError as error:
        raise SystemExit(str(error)) from None
    downloads, lost = _locate(pages, wanted, missing, allow_sdists)
    told = {one.pin: one for one in _told(pages, wanted, downloads)}
    provenances = _provenances(root, upstream, told.values())

    def keep_facts(pin: Pin) -> None:
        facts.keep(root, pin.sha256, told[pin].file, told[pin].status, provenances.get(pin))

    for pin in filter(found.__contains__, told):
        keep_facts(pin)
    failed = Downloader(root, environment, upstream, deadline, keep_facts).fetch(downloads)
    lost += [Missing(pin, wanted[pin], reason) for pin, reason in failed.items()]
    found = held(root, wanted, allow_sdists)
    known = {one.pin for one in lost} | set(found)
    lost += [Missing(pin, wanted[pin], _RENAMED) for pin in wanted if pin not in known]
    if lost:
        raise SystemExit(_list_of(lost, wanted))
    return found
