"""Pins, the upstream's pages -> where the file of each pin is, or why there is none."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from packaging.utils import NormalizedName
from packaging.version import Version
from pypi_simple import DistributionPackage

from scripts.distribution import parse_filename
from scripts.download import Download
from scripts.locks import Key, Pin
from scripts.page import Page
from scripts.target import tags_of

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


def locate(
    pages: Pages, wanted: Wanted, missing: Sequence[Pin], allow_sdists: Sequence[str]
) -> tuple[list[Download], list[Missing]]:
    """Return what to download for the missing pins, and those whose file the pages do not tell."""
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
            downloads.append(Download(pin, found))
    return downloads, lost


def _find(pin: Pin, keys: Sequence[Key], page: Page | None, allow_sdists: Sequence[str]) -> DistributionPackage | str:
    """Return the upstream's file for a pin, or why there is none."""
    if page is None:
        return "the upstream does not know the project"
    if page.status.status == "quarantined":
        return "the upstream has quarantined the project" + (f": {page.status.reason}" if page.status.reason else "")
    reasons = []
    for file in candidates(pin, keys[0], page.files):
        reason = misfit(file.filename, pin, keys, allow_sdists)
        if reason is None:
            return file
        reasons.append(reason)
    return reasons[0] if reasons else _what_exists(pin, page.files)


def candidates(pin: Pin, key: Key, files: Sequence[DistributionPackage]) -> list[DistributionPackage]:
    """List the files with the pin's hash; where the upstream tells none, the one that make lock took."""
    same = [file for file in files if file.digests.get("sha256", "").lower() == pin.sha256]
    rest = [file for file in files if "sha256" not in file.digests and is_release(file.filename, pin)]
    return same or sorted(rest, key=lambda file: _rank(key, file.filename))[:1]


def _rank(key: Key, filename: str) -> int:
    """Place a file in the target's order of preference, an sdist at its end."""
    tags = tags_of(filename) if filename.endswith(".whl") else frozenset()
    return next((rank for rank, tag in enumerate(key.target.tags) if tag in tags), len(key.target.tags))


def _what_exists(pin: Pin, files: Sequence[DistributionPackage]) -> str:
    there = sorted(file.filename for file in files if is_release(file.filename, pin))
    if there:
        return f"the upstream has no file with sha256 {pin.sha256}; of {pin.version} it has {', '.join(there)}"
    versions = sorted({version for file in files if (version := version_of(file.filename, pin.name))})
    others = f"it has {', '.join(map(str, versions[-5:]))}" if versions else "it lists no file of the project"
    return f"the upstream does not have version {pin.version} any more; {others}"


def version_of(filename: str, project: NormalizedName) -> Version | None:
    """Return the version that a file's name says; None where it is no file of the project."""
    try:
        name, version = parse_filename(filename)
    except ValueError:
        return None
    return version if name == project else None


def is_release(filename: str, pin: Pin) -> bool:
    """Whether a file is of the pin's project and version, by its name."""
    return version_of(filename, pin.name) == pin.version
