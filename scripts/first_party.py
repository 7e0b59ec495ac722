"""first_party folder -> the wheels in it, built in-house: their projects are never taken from an upstream."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from packaging.utils import NormalizedName
from packaging.version import Version

from scripts.digest import sha256_of
from scripts.distribution import parse_filename
from scripts.files import is_file


class FirstParty(NamedTuple):
    """The wheels of a folder by their sha256 in hex, and the projects that they are of."""

    wheels: dict[str, Path]
    names: frozenset[NormalizedName]

    def has(self, name: str, version: Version) -> bool:
        """Whether there is a wheel of a version of a project."""
        return any(parse_filename(path.name) == (name, version) for path in self.wheels.values())


def _problem(path: Path) -> str | None:
    if not is_file(path) or not path.name.endswith(".whl"):
        return f"{path}: is no wheel; move it out of the folder that first_party names"
    try:
        parse_filename(path.name)
    except ValueError as error:
        return f"{path}: {error}; rename it"
    return None


def _entries(folder: Path) -> Iterator[Path]:
    """Yield what stands in a folder, without what version control or a file system puts there."""
    yield from (path for path in sorted(folder.iterdir()) if not path.name.startswith("."))


def read(folder: str) -> FirstParty:
    """Read a folder; "" has none. Raises SystemExit with one line for each thing in it that is no wheel."""
    paths = list(_entries(Path(folder))) if folder else []
    if problems := list(filter(None, map(_problem, paths))):
        raise SystemExit("\n".join(problems))
    return FirstParty(
        {sha256_of(path): path for path in paths}, frozenset(parse_filename(path.name)[0] for path in paths)
    )
