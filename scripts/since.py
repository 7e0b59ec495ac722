"""What is served, the upstream's pages and advisories of today -> findings: what became of it since it was approved.

What the release tells already, such as a yank that was known when it was made, is no news.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from pypi_simple import DistributionPackage

from scripts.advisories import Audit, Pin
from scripts.config import Config
from scripts.fate import fate
from scripts.finding import Finding, about
from scripts.list_files import File
from scripts.offer import Offer
from scripts.page import Page
from scripts.people import count
from scripts.policy import told
from scripts.remedy import fixing, remedy

# What keeps the index from being trusted; all else that is found is yellow.
RED = frozenset({"gone", "quarantined", "changed", "deleted", "yanked", "vulnerabilities"})
_MOST_VERSIONS = 10  # that one sentence names
_BEFORE = "find out why before you take anything of it"


class Context(NamedTuple):
    """What a comparison looks at: settings of the checkout, and what is served, with why."""

    settings: Config
    offer: Offer


def together(files: Sequence[File]) -> File:
    """Return files of one version as one that serves whom they all serve."""
    return files[0]._replace(serves=tuple(dict.fromkeys(key for file in files for key in file.serves)))


def _by_version(files: Iterable[File]) -> list[list[File]]:
    found: dict[str, list[File]] = {}
    for file in files:
        found.setdefault(str(file.distribution.version), []).append(file)
    return list(found.values())


def project(files: Sequence[File], page: Page | None, status: str, context: Context) -> Iterator[Finding]:
    """Yield what is so of a project on its page, None where the upstream does not know it; status is the known one."""
    if page is None or page.status.status == "quarantined":
        for of_version in _by_version(files):
            yield _lost(of_version, page, context)
        return
    if page.status.status not in {"active", status}:
        reason = f": {page.status.reason}" if page.status.reason else ""
        fact = f"{page.status.status} upstream{reason}; look for another project"
        yield about(page.status.status, files, fact, context.offer)
    yield from _files(files, page.files, context)


def _lost(files: Sequence[File], page: Page | None, context: Context) -> Finding:
    if page is None:
        fact = "the upstream does not know the project any more"
        return about("gone", files, f"{fact}; {_BEFORE}", context.offer)
    reason = f": {page.status.reason}" if page.status.reason else ""
    fact = f"quarantined upstream{reason}; remove what needs it, then run make lock index"
    return about("quarantined", files, fact, context.offer)


def _files(files: Sequence[File], there: Sequence[DistributionPackage], context: Context) -> Iterator[Finding]:
    """Yield one finding for all files of a version of which the same is so."""
    same: dict[tuple[str, str, str], list[File]] = {}
    for file in files:
        one = file.distribution
        if found := fate(one.filename, one.sha256, there, was_yanked=bool(file.facts.yanked)):
            same.setdefault((str(file.distribution.version), *found), []).append(file)
    for (_, rule, fact), of_version in same.items():
        action = _action(rule, together(of_version), there, context)
        yield about(rule, of_version, f"{fact}; {action}", context.offer, is_checked=rule != "unknown")


def _action(rule: str, file: File, there: Sequence[DistributionPackage], context: Context) -> str:
    if rule in {"changed", "unknown"}:
        return _BEFORE if rule == "changed" else "compare it by hand"
    return remedy(file, there, context.settings, lambda version: version != file.distribution.version)


def advisories(
    audit: Audit, files: Mapping[Pin, Sequence[File]], pages: Mapping[str, Page], context: Context
) -> Iterator[Finding]:
    """Yield the advisories of what is served; pages are those that could be had."""
    for pin, found in audit.checked.items():
        there = pages[pin[0]].files if pin[0] in pages else None
        for one in found:
            action = f"run make upgrade PACKAGE={pin[0]}, if the upstream has a fix"
            if there is not None:
                action = remedy(together(files[pin]), there, context.settings, fixing(one.fix_versions))
            finding = about("vulnerabilities", files[pin], f"{told(one)}; {action}", context.offer)
            yield finding._replace(ids=(one.id, *one.aliases))
    yield from _without_word(audit)


def _without_word(audit: Audit) -> Iterator[Finding]:
    """Yield one finding for all versions of which the advisories cannot be had for the same reason."""
    for reason, versions in audit.unchecked_by_reason().items():
        which = count(len(versions), "version") if versions[_MOST_VERSIONS:] else ", ".join(versions)
        text = f"advisories of {which}: {reason}"
        yield Finding("vulnerabilities", "", "", text, is_checked=False)
