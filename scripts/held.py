"""Files -> what each really is: hashed, opened and read again, whatever any page says of it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from scripts import distribution
from scripts.cores import in_loads, on_all_cores
from scripts.digest import sha256_of
from scripts.distribution import Distribution
from scripts.files import stat_of
from scripts.problem import Problem, Rule

PACKAGES = "packages"


class Held(NamedTuple):
    """A file as it is: sha256 in hex, size in bytes, sha256 of METADATA (None for an sdist), the Python it requires.

    fault says why it cannot be read as a distribution; what it holds is then unknown.
    """

    sha256: str
    size: int
    metadata: str | None = None
    requires_python: str | None = None
    fault: str = ""


def as_read(one: Distribution) -> Held:
    """Return what a file is that was read before."""
    return Held(one.sha256, one.size, one.metadata and one.metadata.sha256, one.requires_python)


def hold(path: Path) -> Held:
    """Hash one file, and read it."""
    stat = path.stat()
    sha256, size = sha256_of(path, stat), stat.st_size
    try:
        return as_read(distribution.read(path, sha256))
    except ValueError as error:
        return Held(sha256, size, fault=str(error).removeprefix(path.name).lstrip(": "))


def _shared(one: Held) -> Held:
    """Return an equal value whose long texts are there already."""
    return one._replace(sha256=sys.intern(one.sha256), metadata=one.metadata and sys.intern(one.metadata))


def hold_all(files: Mapping[str, Path], show: Callable[[str], None]) -> dict[str, Held]:
    """Read the files that are there, given by their names; show is told how far that is."""
    sizes = [(name, stat.st_size) for name in sorted(files) if (stat := stat_of(files[name]))]
    pieces, held = in_loads(sizes), dict[str, Held]()

    def hold_some(names: Sequence[str]) -> list[Held]:
        return [hold(files[name]) for name in names]

    for names, some in zip(pieces, on_all_cores(hold_some, pieces), strict=True):
        held |= zip(names, map(_shared, some), strict=True)
        show(f"Checking: {len(held)} of {len(sizes)} files")
    return held


def faults(held: Mapping[str, Held]) -> Iterator[Problem]:
    """Name what is no sound wheel or sdist."""
    for name, one in held.items():
        if one.fault:
            yield Problem(Rule.FILES, f"{PACKAGES}/{name}", one.fault)


def wrong_sidecars(held: Mapping[str, Held], digests: Mapping[str, str]) -> Iterator[Problem]:
    """Name each sidecar that is not, byte for byte, its wheel's METADATA (PEP 658); digests are theirs, by wheel."""
    for name, digest in digests.items():
        if name in held and held[name].metadata not in {None, digest}:
            yield Problem(Rule.FILES, f"{PACKAGES}/{name}.metadata", "is not the METADATA that its wheel holds")


def with_sidecars(names: Iterable[str]) -> set[str]:
    """List what the pool holds for files of these names."""
    return {each for name in names for each in ((name, f"{name}.metadata") if name.endswith(".whl") else (name,))}
