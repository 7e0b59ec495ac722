"""What is offered and its site -> the next release, or none where the live one is the same, byte for byte.

A site that breaks a rule ends the run before anything in the shared folder changes. What is published carries a
manifest of all that it is made of, signed where there is a key.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import NamedTuple

from scripts import conformance, history, manifest, rolled_back
from scripts.build import Built, seal
from scripts.conformance import Listed
from scripts.conformance_facts import Approved
from scripts.distribution import read_metadata
from scripts.facts import time_text
from scripts.files import is_file
from scripts.history import Entry
from scripts.list_files import Lines
from scripts.locate import Wanted
from scripts.manifest import PACKAGES, Fact, Manifest
from scripts.offer import Offer
from scripts.origin import Origin
from scripts.people import write_release_pages
from scripts.places import Places
from scripts.pool import make_way
from scripts.release import Done, is_damaged, make_live, newest_generation, problems
from scripts.root import RELEASE_TIME, Root
from scripts.signature import is_signed, sign, verified
from scripts.terminal import Progress

# Of the pages, those that tell which release they are in.
_TELLING = ("index.html", "changes/index.html", history.FILE)


class Published(NamedTuple):
    """What a run did: the live release, whether it is new, and the rest as `make_live` says it."""

    release: str
    is_new: bool
    done: Done


class Made(NamedTuple):
    """What is to be published: the offer, its site as `build` made it, where each file is by sha256, and when.

    built says what the site is; moment is the release's time, wanted what the locks name.
    """

    offer: Offer
    site: Path
    built: Built
    files: Places[str]
    moment: datetime
    wanted: Wanted
    origin: Origin


class _Sources(Mapping[str, Path | Callable[[], bytes]]):
    """The files of the pool, and how to get the bytes of sidecars, by name, each made when it is asked for."""

    def __init__(self, made: Made) -> None:
        self._offered = {file.distribution.filename: file.distribution for file in made.offer.files}
        self._files = made.files

    def __getitem__(self, name: str) -> Path | Callable[[], bytes]:
        place = self._files[self._offered[name.removesuffix(".metadata")].sha256]
        return partial(read_metadata, place) if name.endswith(".metadata") else place

    def __iter__(self) -> Iterator[str]:
        for name, one in self._offered.items():
            yield name
            if one.metadata is not None:
                yield f"{name}.metadata"

    def __len__(self) -> int:
        return sum(1 for _ in self)


class Signing(NamedTuple):
    """The path of the key that signs, or "", and the file that says whose signatures count, if it is there."""

    key: str = ""
    allowed: Path = Path()


def publish(root: Root, made: Made, keep: int, signing: Signing, *, is_forced: bool = False) -> Published:
    """Make a site the live release; keep is the number of releases kept.

    Raises SystemExit where the site breaks a rule, cannot be signed or was rolled back, unless it is forced; OSError
    where the shared folder cannot be written. What was live then still is.
    """
    live, content = root.live, _content_digest(made.built.pages)
    rolled_back.refuse(root, content=content, is_forced=is_forced)
    told = _unchanged(live, made, content, signing.key) if live else None
    is_new = told is None
    if told is None:
        told = _next(root, made, content)
        _sign(made.site, signing, live)
    done = make_live(root, told, live if live and not is_new else made.site, _Sources(made), keep)
    if is_new and live and live.name.endswith(f"-{content}") and is_damaged(live):
        make_way(root, live)  # nobody can go back to it
    return Published(told.release, is_new, done)


def _next(root: Root, made: Made, content: str) -> Manifest:
    """Complete the site: its pages tell the release, and a manifest stands beside them."""
    live, name = root.live, f"{made.moment:{RELEASE_TIME}}-{content}"
    pages = tell(made.offer, made.site, [_entry(name, made, live), *(history.read(live) if live else [])])
    _refuse(made, name)
    told = _manifest(made, pages, name, newest_generation(root) + 1)
    with (made.site / manifest.FILE).open("w", encoding="ascii") as file:
        file.writelines(told.lines())
    return told


def _manifest(made: Made, told: Mapping[str, Fact], release: str, generation: int) -> Manifest:
    origin, files = made.origin, _files(made, told)
    projects = len({pin.name for pin in made.wanted})
    return Manifest(release, generation, origin.commit, origin.locks, origin.tools, projects, origin.programs, files)


def _files(made: Made, told: Mapping[str, Fact]) -> dict[str, Fact]:
    """Return what a release is made of; told are the pages that tell of it."""
    files = {**made.built.pages, **told}
    for file in made.offer.files:
        one = file.distribution
        files[f"{PACKAGES}{one.filename}"] = Fact(one.sha256, one.size)
        if one.metadata is not None:
            files[f"{PACKAGES}{one.filename}.metadata"] = one.metadata
    return files


def _unchanged(live: Path, made: Made, content: str, key: str) -> Manifest | None:
    """Return the live release's manifest, if that release is, byte for byte, what would be published and signed now.

    Nothing is signed afterwards: who can write to the shared folder could have put anything into the manifest.
    """
    told = history.read(live)
    if not live.name.endswith(f"-{content}") or not told or told[0].release != live.name:
        return None
    pages = tell(made.offer, made.site, told)
    try:
        found = manifest.read(live)
    except ValueError:
        return None
    is_same = found.files == _files(made, pages) and found.programs == made.origin.programs and _is_signed(live, key)
    return found if is_same and next(problems(live, found), None) is None else None


def _is_signed(live: Path, key: str) -> bool:
    """Whether a release has the signature of a key; without a key it need not have any."""
    return not key or is_signed((live / manifest.FILE).read_bytes(), live / manifest.SIGNATURE, key)


def _sign(site: Path, signing: Signing, live: Path | None) -> None:
    """Sign a manifest; raises SystemExit where nobody who has to believe it would."""
    if signing.key:
        data = (site / manifest.FILE).read_bytes()
        (site / manifest.SIGNATURE).write_bytes(sign(data, signing.key))
        try:
            verified(site, signing.allowed)
        except ValueError as error:
            fact = str(error).removeprefix(f"{site / manifest.FILE}: ")
            raise SystemExit(f"SIGNING_KEY: {signing.key}: what it signs {fact}; name another key") from None
    elif signing.allowed.is_file():
        raise SystemExit(f"SIGNING_KEY: is not set, and {signing.allowed} says who signs; set it, or ALLOWED_SIGNERS=")
    elif live and is_file(live / manifest.SIGNATURE):
        print(f"{manifest.FILE}: is not signed, as the release before it was; set SIGNING_KEY", file=sys.stderr)


def _entry(name: str, made: Made, live: Path | None) -> Entry:
    changes = history.changes(Lines(live) if live else (), Lines(made.site))
    return Entry(name, time_text(made.moment), changes)


def tell(offer: Offer, site: Path, entries: Sequence[Entry]) -> dict[str, Fact]:
    """Write the pages that tell of the release which they are in, whose name is made of all others' content.

    Returns what they are, by path.
    """
    history.write(entries, site)
    write_release_pages(offer, site, entries)
    return seal(site, _TELLING)


def _refuse(made: Made, release: str) -> None:
    """Raise SystemExit where what is to be published breaks a rule; the shared folder is as it was."""
    offered = {file.distribution.filename: file.distribution for file in made.offer.files}
    files = Places({name: made.files.parts[one.sha256] for name, one in offered.items()})
    # Whoever can write to the shared folder can plant a release that claims to have checked a file.
    read = {name: one for name, one in offered.items() if one.is_checked}
    approved = Approved(made.wanted, made.offer.denied)
    progress = Progress()
    try:
        conformance.refuse(made.site, approved, files, release, progress.show, read, _listed(made))
    finally:
        progress.clear()


def _listed(made: Made) -> dict[str, Listed]:
    """Return what the pages list that were kept."""
    found = {}
    for name in made.built.kept:
        files = made.offer.projects[name]
        proved = (file.distribution.filename for file in files if file.facts.provenance is not None)
        found[name] = Listed({one.filename: one.sha256 for one, *_ in files}, frozenset(proved))
    return found


def _content_digest(pages: Mapping[str, Fact]) -> str:
    digest = hashlib.sha256()
    for name, fact in sorted(pages.items()):
        digest.update(f"{name}\0{fact.sha256}\n".encode())
    return digest.hexdigest()[:12]
