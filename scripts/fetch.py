"""locks/ -> $(PYPI_ROOT)/incoming/: downloads what the locks pin and nobody holds yet, verified by hash.

What is held already, by hash, is not asked for again: with nothing new there is no request at all. For the rest, the
upstream's pages say where the file with the locked sha256 is, how big it is and what else there is to know of it.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pypi_simple import DistributionPackage

from scripts import collector, facts, first_party, locks, pool
from scripts.config import Config
from scripts.cores import in_loads, on_all_cores
from scripts.digest import Stamp, remember, remembered, sha256_of, stamp_of
from scripts.distribution import SUFFIXES, is_filename
from scripts.download import Download, download_all
from scripts.durable import sync
from scripts.facts import Status
from scripts.fate import fate
from scripts.files import is_file, stat_of
from scripts.list_files import published
from scripts.locate import Missing, Pages, Wanted, candidates, is_release, locate, misfit, version_of
from scripts.locks import Pin
from scripts.memory import Memory
from scripts.page import Page
from scripts.pip_environment import pip_environment
from scripts.places import Places
from scripts.root import Root
from scripts.texts import few
from scripts.upstream import Upstream, UpstreamError, without_password

_Work = Callable[[Callable[[Any], Any], list[Any]], Iterable[Any]]
_Told = dict[Pin, tuple[DistributionPackage, Status]]  # what the pages say of the files of pins
_MOST_NAMES = 10  # that one sentence lists
_RENAMED = "it was published under another name than the upstream's, and that file is gone; take another version"


def held(root: Root, wanted: Wanted, allow_sdists: Sequence[str], work: _Work = on_all_cores) -> Places[Pin]:
    """Find the wanted files that the shared folder has, by their content; work is `map`, or does as it does.

    A name that was published stays: the same content under another name is a stray, such as a twin in other case.
    """
    known = published(root)
    by_hash: dict[str, list[Pin]] = {}
    for pin in wanted:
        by_hash.setdefault(pin.sha256, []).append(pin)
    found: dict[Pin, tuple[Path, str]] = {}
    for (folder, name), (stamp, sha256) in _hashed(root, work).items():
        if sha256 in known and known[sha256] != name:
            continue
        for pin in by_hash.get(sha256, ()):
            if misfit(name, pin, wanted[pin], allow_sdists) is None:
                found.setdefault(pin, (folder, name))
                remember(stamp, pin.sha256)  # what enters the pool is read back there all the same
    return Places(found)


def _hashed(root: Root, work: _Work) -> dict[tuple[Path, str], tuple[Stamp, str]]:
    """Hash the distributions in the shared folder; returns each one's stamp before that, and its sha256."""
    found, unknown = dict[tuple[Path, str], tuple[Stamp, str]](), []
    for folder in (root.packages, root.incoming, root.retired):
        for name in sorted(entry.name for entry in os.scandir(folder) if entry.name.endswith(SUFFIXES)):
            if stat := stat_of(f"{folder}/{name}"):
                place, stamp = (folder, sys.intern(name)), stamp_of(stat)
                found[place] = stamp, remembered(stamp)
                if not found[place][1]:
                    unknown.append((place, stat.st_size))
    pieces = in_loads(unknown)
    for piece, sums in zip(pieces, work(_sums, pieces), strict=True):
        found |= {place: (found[place][0], sha256) for place, sha256 in zip(piece, sums, strict=True)}
    return found


def _sums(places: Sequence[tuple[Path, str]]) -> list[str]:
    return [sha256_of(f"{folder}/{name}") for folder, name in places]


def _told(pages: Pages, wanted: Wanted, downloads: Sequence[Download]) -> _Told:
    """Return what the pages say of all wanted files of their projects: of what is held already, the news."""
    files = {download.pin: download.file for download in downloads}
    told: _Told = {}
    for pin in wanted:
        if page := pages.get(pin.name):
            same = (file for file in candidates(pin, wanted[pin][0], page.files) if is_release(file.filename, pin))
            if file := files.get(pin) or next(same, None):
                told[pin] = file, page.status
    return told


def _provenances(memory: Memory, upstream: Upstream, told: _Told) -> dict[Pin, bytes]:
    """Fetch the provenance (PEP 740) of each file that has one which no earlier run fetched."""
    located = {
        pin: (file.filename, file.provenance_url)
        for pin, (file, _) in told.items()
        if file.provenance_url and not memory.knows_provenance(pin.name, pin.sha256)
    }
    answers = upstream.provenances(dict.fromkeys(url for _, url in located.values()))
    found = {}
    for pin, (filename, url) in located.items():
        if isinstance(answer := answers[url], bytes):
            found[pin] = answer
        else:
            print(f"{filename}: published without its provenance, {answer}", file=sys.stderr)
    return found


def _news(pin: Pin, filename: str, page: Page | None, memory: Memory) -> str | None:
    """Say what became upstream of a file that is held, None where nothing did or nobody can tell."""
    if page is None:
        return "the upstream does not know the project any more"
    was_yanked = memory.was_yanked(filename, pin.name, pin.sha256)
    rule, fact = fate(filename, pin.sha256, page.files, was_yanked=was_yanked) or ("unknown", "")
    return None if rule == "unknown" else fact


def _say_news(memory: Memory, pages: Pages, found: Mapping[Pin, Path]) -> None:
    """Tell of held files that are not on the pages as they were: their approval stands, so they stay."""
    for name, pin in sorted((path.name, pin) for pin, path in found.items() if pin.name in pages):
        if news := _news(pin, name, pages[pin.name], memory):
            print(f"{name}: {news}; served on from what is held", file=sys.stderr)


def _list_of(lost: Sequence[Missing], wanted: Wanted) -> str:
    lines = "\n".join(sorted(f"  {one}" for one in lost))
    remedy = "try again, or take what the upstream has now with make upgrade"
    return f"{len(lost)} of {len(wanted)} pins have no file, nothing is published; {remedy}:\n{lines}"


def _take_in(root: Root, files: Mapping[str, Path]) -> None:
    """Copy files, given by their names, to where downloads wait, and have them on the disk as these are."""
    for name, path in files.items():
        temporary = root.scratch / name
        temporary.parent.mkdir(exist_ok=True)
        shutil.copyfile(path, temporary)
        sync(temporary)
        temporary.rename(root.incoming / name)


def _displaced(root: Root, wanted: Iterable[Pin]) -> dict[str, Path]:
    """Find, by the names that they had, files that another file of that name took the place of."""
    known, found = published(root), dict[str, Path]()
    for pin in (pin for pin in wanted if pin.sha256 in known):
        name = known[pin.sha256]  # which whoever can write to the shared folder may have written
        places = (path for path in pool.places_of(root, name) if is_file(path)) if is_filename(name) else ()
        if place := next((path for path in places if sha256_of(path) == pin.sha256), None):
            found[name] = place
    return found


def _not_in_house(pin: Pin, wheels: Mapping[str, Path]) -> str:
    there = sorted(path.name for path in wheels.values() if version_of(path.name, pin.name))
    others = f"it has {', '.join(there)}; run make lock" if there else "it has none of the project; put it back"
    return f"first_party has no wheel with sha256 {pin.sha256}; {others}"


def _in_reach(root: Root, wanted: Wanted, settings: Config) -> Places[Pin]:
    """Find the files that need no upstream: those held, those that gave way to others, and the in-house ones.

    Raises SystemExit where an in-house one is gone: no upstream is asked for a release that cannot be.
    """
    wheels = first_party.read(settings.first_party).wheels
    found = held(root, wanted, settings.allow_sdists)
    missing = [pin for pin in wanted if pin not in found]
    ours = {wheels[pin.sha256].name: wheels[pin.sha256] for pin in missing if pin.sha256 in wheels}
    if files := _displaced(root, missing) | ours:
        _take_in(root, files)
        found = held(root, wanted, settings.allow_sdists)
    in_house = locks.in_house(key for pin in wanted if pin not in found for key in wanted[pin])
    lost = [Missing(pin, wanted[pin], _not_in_house(pin, wheels)) for pin in in_house - found.keys()]
    if lost:
        raise SystemExit(_list_of(lost, wanted))
    return found


def _digests(wanted: Wanted) -> dict[str, set[str]]:
    """Return the sha256 of the pins of each project."""
    digests: dict[str, set[str]] = {}
    for pin in wanted:
        digests.setdefault(pin.name, set()).add(pin.sha256)
    return digests


class Source(NamedTuple):
    """An index to take from, the seconds that it has, and the file that says who may have signed releases."""

    upstream: str
    timeout: float
    allowed: Path = Path()


def _download(
    root: Root, wanted: Wanted, found: Mapping[Pin, Path], settings: Config, source: Source, projects: Collection[str]
) -> list[Missing]:
    """Download what is not found, and keep what the upstream tells of it and of projects; returns what it has not."""
    environment = pip_environment(source.upstream)
    upstream, memory = Upstream(environment, time.monotonic() + source.timeout), Memory(root, allowed=source.allowed)
    missing = [pin for pin in wanted if pin not in found]
    try:
        with collector.at_work():
            pages = upstream.pages(dict.fromkeys((*(pin.name for pin in missing), *projects)), _digests(wanted))
    except UpstreamError as error:
        raise SystemExit(str(error)) from None
    if len(pages) > 1 and not any(pages.values()):
        fact = f"{without_password(environment['PIP_INDEX_URL'])}: knows none of {len(pages)} projects"
        raise SystemExit(f"{fact}; is UPSTREAM the address of an index, such as https://pypi.org/simple/?")
    _say_news(memory, pages, found)
    downloads, lost = locate(pages, wanted, missing, settings.allow_sdists)
    told = _told(pages, wanted, downloads)
    provenances = _provenances(memory, upstream, told)

    def keep_facts(pin: Pin) -> None:
        facts.keep(root, pin.sha256, *told[pin], provenances.get(pin))

    for pin in filter(found.__contains__, told):
        keep_facts(pin)
    failed = download_all(root, upstream, downloads, keep_facts)
    return lost + [Missing(pin, wanted[pin], reason) for pin, reason in failed.items()]


def fetch(root: Root, wanted: Wanted, settings: Config, source: Source) -> Places[Pin]:
    """Return a verified file for each pin, fetching what is not held.

    Raises SystemExit with one list of all pins that end without a file, and why; what arrived is kept for the next run.
    """
    found, half = _in_reach(root, wanted, settings), facts.partly_told(root)
    again = {pin.name for pin in found if pin.sha256 in half} if half else set()
    if found.keys() == set(wanted):
        if again:
            ask_again(root, wanted, found, settings, source, again)
        return found
    lost = _download(root, wanted, found, settings, source, again)
    # Downloads that ran out of time leave threads, and a fork would copy what these have locked.
    found = held(root, wanted, settings.allow_sdists, work=map)
    known = {one.pin for one in lost} | set(found)
    lost += [Missing(pin, wanted[pin], _RENAMED) for pin in wanted if pin not in known]
    if lost:
        raise SystemExit(_list_of(lost, wanted))
    return found


def ask_again(
    root: Root, wanted: Wanted, found: Mapping[Pin, Path], settings: Config, source: Source, projects: Collection[str]
) -> None:
    """Ask the upstream anew about projects; says so, also where it cannot be asked: to mend pages none is needed."""
    which = few(sorted(projects), _MOST_NAMES)
    fact = "what the upstream says of it is not told here, or by a page that was changed; it is asked again"
    print(f"{which}: {fact}", file=sys.stderr)
    try:
        _download(root, wanted, found, settings, source, projects)
    except SystemExit as error:
        print(f"{which}: published without what the upstream says: {error}", file=sys.stderr)
