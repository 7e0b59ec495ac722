"""The checkout -> where a release comes from: git commit, digest of the locks, tools, and what serves it."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Mapping
from importlib.metadata import version
from typing import NamedTuple

from scripts import locks, revision
from scripts.digest import sha256_of
from scripts.manifest import Fact

_INPUTS = ("locks", "packages.yaml", "requirements.in", "waivers.yaml")
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


def origin_of(programs: Mapping[str, Fact]) -> Origin:
    """Return what the checkout in the current folder makes a release of."""
    tools = {"python": platform.python_version(), **{name: version(name) for name in _TOOLS}}
    return Origin(revision.head(*_INPUTS), locks_digest(), tools, programs)
