"""The checkout -> where a release comes from: git commit, digest of the locks, tools, and what serves it."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from typing import NamedTuple

from scripts import locks, revision, waivers
from scripts.config import FILE
from scripts.digest import sha256_of
from scripts.manifest import Fact
from scripts.requirements import RequirementSet

_TOOLS = ("dumb-pypi", "packaging", "pip", "pip-tools")


class Origin(NamedTuple):
    """What a release was made of and with; see `manifest.Manifest`."""

    commit: str
    locks: str
    tools: Mapping[str, str]
    programs: Mapping[str, Fact]


def locks_digest() -> str:
    """Return the sha256 of all locks, of their paths and bytes, in hex."""
    lines = sorted(f"{path.as_posix()}\0{sha256_of(path)}\n" for path in locks.existing().values())
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def origin_of(programs: Mapping[str, Fact], sets: Iterable[RequirementSet]) -> Origin:
    """Return what the checkout in the current folder, which asks for these sets, makes a release of."""
    inputs = {str(locks.FOLDER), FILE, waivers.FILE, *(file.path for one in sets for file in one.files)}
    tools = {"python": platform.python_version(), **{name: version(name) for name in _TOOLS}}
    return Origin(revision.head(*inputs), locks_digest(), tools, programs)
