"""A requirement's text -> what it asks for, and on which targets: what closure has to know of it, and no more.

Of 100,000 pins the parsed requirements would take a hundred megabytes.
"""

from __future__ import annotations

import sys
from functools import cache
from typing import NamedTuple

from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from scripts.requirements import plain_pin


class Asked(NamedTuple):
    """What is asked for: a normalised project name, its versions, and whose dependencies come with it.

    specifier is None for a URL, which is past any index. extras are the project's own dependencies, "", and its extras.
    """

    project: str
    specifier: str | None
    extras: tuple[str, ...]


class Need(NamedTuple):
    """A requirement. condition is the marker's text, empty where there is none."""

    asked: Asked
    marker: Marker | None
    condition: str


_ALONE = ("",)


@cache
def need_of(text: str) -> Need:
    """Read a requirement; raises InvalidRequirement where it is none."""
    if plain := plain_pin(text):
        name, version = plain
        return Need(Asked(name, sys.intern(f"=={version}"), _ALONE), None, "")
    one = Requirement(text)
    # Many are of the same project, or of the same version of others.
    project = sys.intern(canonicalize_name(one.name))
    specifier = None if one.url else sys.intern(str(one.specifier))
    extras = ("", *sorted(map(canonicalize_name, one.extras))) if one.extras else _ALONE
    asked = Asked(project, specifier, extras)
    return Need(asked, one.marker, str(one.marker or ""))
