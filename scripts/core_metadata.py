"""METADATA -> what it says, checked: the core metadata specification, of a file that nobody trusts.

What a client and a rule could read differently is refused, and so is what takes long to read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

from packaging.markers import UndefinedComparison, UndefinedEnvironmentName
from packaging.metadata import RawMetadata, parse_email
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import InvalidVersion, Version

from scripts.licenses import License, first_line, stated

_WEB_URL = re.compile(r"https?://[^\s<>\"']+")
_MAX_TEXT = 500
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_FIELD = re.compile(rb"^[^\s:]+(?=:)", re.MULTILINE)
_MAX_FIELDS, _MAX_FIELD_NAMES = 10_000, 200
# What a client and a rule could read differently, if it stood twice.
_ONCE = frozenset({"metadata-version", "name", "version", "requires-python", "license-expression"})


class About(NamedTuple):
    """What METADATA tells people: one-line texts, and the project's sites as (label, URL). All of it is untrusted.

    license is the text of stated, which the rule on licences goes by.
    """

    summary: str = ""
    license: str = ""
    urls: tuple[tuple[str, str], ...] = ()
    stated: License = License()


def parse(what: str, data: bytes) -> RawMetadata:
    """Read METADATA, or an sdist's PKG-INFO; raises ValueError, which begins with what, where nobody can."""
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        raise ValueError(f"{what} is not UTF-8") from None
    # The parser takes time by the square of the fields' number.
    fields = _FIELD.findall(re.split(rb"\r?\n\r?\n", data, maxsplit=1)[0])
    if len(fields) > _MAX_FIELDS or len(set(fields)) > _MAX_FIELD_NAMES:
        raise ValueError(f"{what} has {len(fields)} fields of {len(set(fields))} names; at most {_MAX_FIELDS} are read")
    raw, unparsed = parse_email(data)
    if twice := sorted(_ONCE & unparsed.keys()):
        raise ValueError(f"{what} says {twice[0]} more than once, or not as text")
    return raw


def check_identity(what: str, raw: RawMetadata, name: NormalizedName, version: Version) -> None:
    """Raise ValueError where it is of another project or version than the file's name says."""
    stated = raw.get("name", ""), raw.get("version", "")
    try:
        same = canonicalize_name(stated[0]) == name and Version(stated[1]) == version
    except InvalidVersion:
        same = False
    if not same:
        raise ValueError(f"{what} says {stated[0]!r} {stated[1]!r}, the file name says {name} {version}")


def requires_dist(what: str, raw: RawMetadata) -> list[str]:
    """Return the requirements; raises ValueError where one is none."""
    for text in raw.get("requires_dist", []):
        try:
            _check_requirement(text)
        except (InvalidRequirement, UndefinedComparison, UndefinedEnvironmentName, ValueError, TypeError):
            raise ValueError(f"{what} has the Requires-Dist {text!r}, which is no requirement") from None
    return raw.get("requires_dist", [])


@cache  # most needs are those of many files
def _check_requirement(text: str) -> None:
    """Raise an error where nobody can say whether a requirement holds, or what meets it."""
    need = Requirement(text)
    need.specifier.contains("1", prereleases=True)
    if _CONTROL.search(str(need)):  # which === and URLs let through
        raise InvalidRequirement(str(need))
    if need.marker:
        need.marker.evaluate({"extra": ""})


def requires_python(what: str, raw: RawMetadata) -> str | None:
    """Return Requires-Python, if there is one; raises ValueError where it is no specifier."""
    text = raw.get("requires_python")
    try:
        if not (text or "").isprintable():  # which === lets through
            raise InvalidSpecifier(text)
        SpecifierSet(text or "")
    except InvalidSpecifier:
        raise ValueError(f"{what} has the Requires-Python {text!r}, which is no version specifier") from None
    return text


def _urls(raw: RawMetadata) -> Iterator[tuple[str, str]]:
    """Yield what a browser may open, without what it would run, such as javascript: URLs."""
    urls = {"Homepage": raw.get("home_page", ""), **raw.get("project_urls", {})}
    for label, url in urls.items():
        if _WEB_URL.fullmatch(url) and len(url) <= _MAX_TEXT:
            yield first_line(label) or "Link", url


def about(raw: RawMetadata) -> About:
    """Return what it tells people."""
    licence = stated(raw)
    return About(first_line(raw.get("summary")), licence.text, tuple(_urls(raw)), licence)


def about_of(what: str, metadata: bytes) -> About:
    """Return what a METADATA file tells people; raises ValueError, which begins with what, where it is no text."""
    return about(parse(what, metadata))
