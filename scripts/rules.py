"""`policy:` of packages.yaml -> Policy: which rules hold, how strictly, and what each is told.

A rule is a level (`error`, `warn` or `off`), or what it is told, or a mapping of both:

    policy:
      yanked: error
      min_age_days: 14
      max_file_mb: {mb: 500, level: warn}

Where no level stands it is `error`; a rule that is not named is off.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from packaging.utils import canonicalize_name, is_normalized_name

from scripts.advisories import Service
from scripts.licenses import entry_problem
from scripts.yaml_reader import Reader

LEVELS = ("error", "warn", "off")
SERVICES = ("pypi", "osv", "esms")
_GLOB = re.compile(r"[a-z0-9*?][a-z0-9*?-]*")


class Rule(NamedTuple):
    """How strictly a rule holds, and what it is told. limit is in days or in megabytes of 10⁶ bytes, names are projects
    or globs; allow and deny are licences; service and url are pip-audit's.
    """

    level: str = "off"
    limit: int = 0
    names: tuple[str, ...] = ()
    allow: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()
    service: Service = "pypi"
    url: str = ""

    @property
    def is_on(self) -> bool:
        """Whether it is looked at."""
        return self.level != "off"

    def pattern_of(self, name: str) -> str:
        """Return the first of names, read as globs, that a project's name matches; "" where none does."""
        return next((pattern for pattern in self.names if fnmatch.fnmatchcase(name, pattern)), "")


class Policy(NamedTuple):
    """The rules, each under the name that it has in `packages.yaml`."""

    min_age_days: Rule = Rule()
    licenses: Rule = Rule()
    yanked: Rule = Rule()
    vulnerabilities: Rule = Rule()
    sdists: Rule = Rule()
    max_file_mb: Rule = Rule()
    max_release_mb: Rule = Rule()
    attestations: Rule = Rule()
    pinned_names: Rule = Rule()


# What each rule is told: the key of its mapping -> the field of Rule. The first is what a bare value means.
_TOLD: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "min_age_days": {"days": "limit"},
        "licenses": {"allow": "allow", "deny": "deny"},
        "vulnerabilities": {"service": "service", "url": "url"},
        "max_file_mb": {"mb": "limit"},
        "max_release_mb": {"mb": "limit"},
        "attestations": {"require": "names"},
        "pinned_names": {"names": "names"},
    }
)
_NEEDED = {"min_age_days": "days", "max_file_mb": "mb", "max_release_mb": "mb", "pinned_names": "names"}
_EXAMPLES = {"days": "14", "mb": "500", "names": "[acme-*]"}


def _glob_problem(text: str) -> str | None:
    if _GLOB.fullmatch(text):
        return None
    return f'"{text}" is no pattern of normalised names; write such as "acme-*", in lower case, with - and no _ or .'


def name_problem(text: str) -> str | None:
    """Say what is wrong with a project's name, as `fact; what to do`; None where it is a normalised one."""
    if is_normalized_name(text):
        return None
    return f'"{text}" is not a normalised project name; write "{canonicalize_name(text)}"'


_PROBLEM: Mapping[str, Callable[[str], str | None]] = MappingProxyType(
    {"names": _glob_problem, "require": name_problem, "allow": entry_problem, "deny": entry_problem}
)


def _url(reader: Reader) -> str:
    """Return the URL of a vulnerability service of one's own."""
    url = reader.text("url", "write the http or https URL of an OSV service")
    try:
        good = urlsplit(url).scheme in {"http", "https"} and bool(urlsplit(url).hostname) and " " not in url
    except ValueError:
        good = False
    if url and not good:
        reader.problem("url", f"{url!r} is no http or https URL; write such as https://osv.example.com/v1/query")
    elif url and reader.values.get("service") != "osv":
        reader.problem("url", "only the service osv can be had at another URL; write service: osv beside it")
    return url


def _value(reader: Reader, key: str) -> int | str | tuple[str, ...]:
    if key in {"days", "mb"}:
        return reader.number(key)
    if key == "service":
        return reader.choice(key, SERVICES, "pypi")
    if key == "url":
        return _url(reader)
    return reader.strings(key, _PROBLEM[key]) or ()


def _rule(reader: Reader, name: str) -> Rule:
    value = reader.values[name]
    is_word = isinstance(value, str) and (value in LEVELS or name not in _NEEDED)
    if is_word or value is None or isinstance(value, bool):
        level, below = reader.choice(name, LEVELS, "error"), Reader("", {}, [])
    else:
        is_short = not isinstance(value, dict) and name in _NEEDED
        below = (
            Reader(f"{reader.where}: {name}", {_NEEDED[name]: value}, reader.problems)
            if is_short
            else reader.below(name)
        )
        level = below.choice("level", LEVELS, "error")
    told = _TOLD.get(name, {})
    below.check_keys(("level", *told))
    if level != "off" and (lacks := _lacks(name, below)):
        reader.problem(name, lacks)
    values: dict[str, Any] = {told[key]: _value(below, key) for key in below.values if key in told}
    return Rule(level, **values)


def _lacks(name: str, below: Reader) -> str | None:
    if name in _NEEDED and _NEEDED[name] not in below.values:
        return f"says no {_NEEDED[name]}; write such as {name}: {_EXAMPLES[_NEEDED[name]]}"
    if name == "licenses" and not {"allow", "deny"} & set(below.values):
        return "says neither allow nor deny; write one of the two, with a list of licences"
    return None


def read(reader: Reader) -> Policy:
    """Return what `policy:` says, and leave its problems with the reader."""
    below = reader.below("policy")  # without a value it is one whose rules are all commented out
    below.check_keys(Policy._fields)
    return Policy(**{name: _rule(below, name) for name in below.values if name in Policy._fields})
