"""What is offered -> findings: each breach of the rules under `policy:` in packages.yaml.

A fact that could not be had is a finding too, one that is not checked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import NamedTuple

from scripts import advisories, attested, licenses
from scripts.advisories import Advisory, Pin
from scripts.finding import Finding, about
from scripts.licenses import License
from scripts.list_files import File
from scripts.locks import Key
from scripts.memory import Memory
from scripts.offer import Offer
from scripts.people import count
from scripts.rules import Policy, Rule
from scripts.unchecked import NotChecked

_MB = 10**6


class Context(NamedTuple):
    """What the rules look at.

    cutoffs: for each lock the moment before which its files had to be uploaded. environment is `pip_environment`'s.
    """

    offer: Offer
    policy: Policy
    memory: Memory
    cutoffs: Mapping[Key, datetime]
    environment: Mapping[str, str]


class _Fact(NamedTuple):
    """What a rule says of one file. Not is_checked: it cannot say."""

    file: File
    text: str
    is_checked: bool = True


def findings(context: Context) -> Iterator[Finding]:
    """Yield what the rules that are on find; equal facts of one version are one finding."""
    for name, rule in _RULES.items():
        if getattr(context.policy, name).is_on:
            grouped: dict[tuple[str, str, str, bool], list[File]] = {}
            for file, text, is_checked in rule(context):
                one = file.distribution
                grouped.setdefault((one.name, str(one.version), text, is_checked), []).append(file)
            for (_, _, text, is_checked), files in grouped.items():
                yield about(name, files, text, context.offer, is_checked=is_checked)
    for name, whole in _OF_ALL.items():
        if getattr(context.policy, name).is_on:
            yield from whole(context)


def _min_age(context: Context) -> Iterator[_Fact]:
    limit = context.policy.min_age_days.limit
    for file in context.offer.files:
        if file.facts.first_party:
            continue
        if file.facts.upload_time is None:
            yield _Fact(file, "the upstream tells no upload time", is_checked=False)
            continue
        uploaded = datetime.fromisoformat(file.facts.upload_time)
        young = tuple(key for key in file.serves if uploaded >= context.cutoffs[key])
        if young:
            remedy = f"run make upgrade PACKAGE={file.distribution.name}"
            fact = f"uploaded {file.facts.upload_time[:10]}, less than {limit} days before its lock was made; {remedy}"
            yield _Fact(file._replace(serves=young), fact)


def _yanked(context: Context) -> Iterator[_Fact]:
    for file in context.offer.files:
        if file.facts.yanked is None and not file.facts.first_party:
            yield _Fact(file, "no upstream was asked about it", is_checked=False)
        elif file.facts.yanked:
            reason = f": {file.facts.yanked}" if isinstance(file.facts.yanked, str) else ", without a reason"
            yield _Fact(file, f"yanked upstream{reason}")


def _sdists(context: Context) -> Iterator[_Fact]:
    for file in context.offer.files:
        if file.distribution.metadata is None:
            yield _Fact(file, "an sdist: to install it is to run its code")


def _licenses(context: Context) -> Iterator[_Fact]:
    judged: dict[License, tuple[str | None, bool]] = {}  # most files state what others do
    for file in context.offer.files:
        stated = file.distribution.about.stated
        if stated not in judged:
            judged[stated] = _judged(stated, context.policy.licenses)
        fact, is_checked = judged[stated]
        if fact:
            yield _Fact(file, fact, is_checked)


def _judged(stated: License, rule: Rule) -> tuple[str | None, bool]:
    """Return what the lists have against a licence, or why they do not tell, and whether it is the former."""
    try:
        return licenses.problem(stated, rule.allow, rule.deny), True
    except NotChecked as error:
        return str(error), False


def _unknown_licenses(context: Context) -> Iterator[Finding]:
    """Yield the entries that nothing can be compared with: a misspelt one would allow nothing, and deny nothing."""
    rule = context.policy.licenses
    stated = [file.distribution.about.stated for file in context.offer.files]
    for entry in licenses.strangers((*rule.allow, *rule.deny), stated):
        text = f"{entry!r} is no SPDX identifier, and no file states it; correct it in packages.yaml"
        yield Finding("licenses", "", "", text, is_checked=False)


def _max_file(context: Context) -> Iterator[_Fact]:
    limit = context.policy.max_file_mb.limit
    for file in context.offer.files:
        if file.distribution.size > limit * _MB:
            yield _Fact(file, f"has {file.distribution.size / _MB:,.1f} MB, more than {limit} MB")


def _vulnerabilities(context: Context) -> Iterator[Finding]:
    """Ask of all but in-house projects, whose names are nobody's business."""
    rule = context.policy.vulnerabilities
    files: dict[Pin, list[File]] = {}
    for file in context.offer.files:
        if not file.facts.first_party:
            files.setdefault((file.distribution.name, str(file.distribution.version)), []).append(file)
    audit = advisories.find(files, rule.service, rule.url, context.environment)
    for pin, found in audit.checked.items():
        for one in found:
            finding = about("vulnerabilities", files[pin], told(one), context.offer)
            yield finding._replace(ids=(one.id, *one.aliases))
    for reason, pins in audit.unchecked_by_reason().items():
        text = f"{len(pins)} of {count(len(files), 'version')}: {reason} ({', '.join(pins)})"
        yield Finding("vulnerabilities", "", "", text, is_checked=False)


def told(one: Advisory) -> str:
    """Say what an advisory says."""
    names = f"{one.id} ({', '.join(one.aliases)})" if one.aliases else one.id
    fix = f"fixed in {', '.join(one.fix_versions)}" if one.fix_versions else "no version fixes it"
    return "; ".join(filter(None, [names, fix, one.summary]))


def _attestations(context: Context) -> Iterator[Finding]:
    yield from attested.findings(context.offer, context.memory, context.policy.attestations)


def _max_release(context: Context) -> Iterator[Finding]:
    limit, size = context.policy.max_release_mb.limit, sum(file.distribution.size for file in context.offer.files)
    if size > limit * _MB:
        largest = sorted(context.offer.files, key=lambda file: file.distribution.size, reverse=True)[:3]
        names = ", ".join(file.distribution.filename for file in largest)
        text = f"the files have {size / _MB:,.1f} MB, more than {limit} MB; the largest are {names}"
        yield Finding("max_release_mb", "", "", text)


_RULES: Mapping[str, Callable[[Context], Iterator[_Fact]]] = {
    "min_age_days": _min_age,
    "yanked": _yanked,
    "licenses": _licenses,
    "sdists": _sdists,
    "max_file_mb": _max_file,
}
_OF_ALL: Mapping[str, Callable[[Context], Iterator[Finding]]] = {
    "licenses": _unknown_licenses,
    "vulnerabilities": _vulnerabilities,
    "attestations": _attestations,
    "max_release_mb": _max_release,
}
