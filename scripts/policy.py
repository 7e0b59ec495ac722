"""What is offered -> findings: each breach of the rules under `policy:` in packages.yaml.

A fact that could not be had is a finding too, one that is not checked.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import NamedTuple

from scripts import advisories, attested, licenses
from scripts.advisories import Advisory, Pin
from scripts.facts import Memory
from scripts.finding import Finding, about
from scripts.list_files import File
from scripts.locks import Key
from scripts.offer import Offer
from scripts.people import count
from scripts.rules import Policy
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


def findings(context: Context) -> Iterator[Finding]:
    """Yield what the rules that are on find."""
    for name, rule in _RULES.items():
        if getattr(context.policy, name).is_on:
            yield from rule(context)


def _min_age(context: Context) -> Iterator[Finding]:
    for file in context.offer.files:
        if file.facts.first_party:
            continue
        if file.facts.upload_time is None:
            yield _about(context, "min_age_days", file, "the upstream tells no upload time", is_checked=False)
            continue
        uploaded = datetime.fromisoformat(file.facts.upload_time)
        young = tuple(key for key in file.serves if key in context.cutoffs and uploaded >= context.cutoffs[key])
        undated = tuple(key for key in file.serves if key not in context.cutoffs)
        if young:
            fact = f"uploaded {file.facts.upload_time}, less than {context.policy.min_age_days.limit} days before"
            yield _about(context, "min_age_days", file._replace(serves=young), f"{fact} its lock was made")
        if undated:
            fact = "its lock has no date; run make upgrade"
            yield _about(context, "min_age_days", file._replace(serves=undated), fact, is_checked=False)


def _yanked(context: Context) -> Iterator[Finding]:
    for file in context.offer.files:
        if file.facts.yanked is None and not file.facts.first_party:
            yield _about(context, "yanked", file, "no upstream was asked about it", is_checked=False)
        elif file.facts.yanked:
            reason = f": {file.facts.yanked}" if isinstance(file.facts.yanked, str) else ", without a reason"
            yield _about(context, "yanked", file, f"yanked upstream{reason}")


def _sdists(context: Context) -> Iterator[Finding]:
    for file in context.offer.files:
        if file.distribution.metadata is None:
            yield _about(context, "sdists", file, "an sdist: to install it is to run its code")


def _licenses(context: Context) -> Iterator[Finding]:
    rule = context.policy.licenses
    for file in context.offer.files:
        try:
            fact = licenses.problem(file.distribution.about.stated, rule.allow, rule.deny)
        except NotChecked as error:
            yield _about(context, "licenses", file, str(error), is_checked=False)
        else:
            if fact:
                yield _about(context, "licenses", file, fact)


def _vulnerabilities(context: Context) -> Iterator[Finding]:
    """Ask of all but in-house projects, whose names are nobody's business."""
    rule = context.policy.vulnerabilities
    files: dict[Pin, File] = {}
    for file in context.offer.files:
        pin: Pin = (file.distribution.name, str(file.distribution.version))
        if not file.facts.first_party:
            files[pin] = file._replace(serves=(*files[pin].serves, *file.serves)) if pin in files else file
    try:
        audit = advisories.find(files, rule.service, rule.url, context.environment)
    except NotChecked as error:
        yield Finding("vulnerabilities", "", "", f"{count(len(files), 'version')}: {error}", is_checked=False)
        return
    for pin, found in audit.checked.items():
        for one in found:
            finding = _about(context, "vulnerabilities", files[pin], told(one))
            yield finding._replace(ids=(one.id, *one.aliases))
    for pin, reason in audit.unchecked.items():
        yield _about(context, "vulnerabilities", files[pin], reason, is_checked=False)


def told(one: Advisory) -> str:
    """Say what an advisory says."""
    names = f"{one.id} ({', '.join(one.aliases)})" if one.aliases else one.id
    fix = f"fixed in {', '.join(one.fix_versions)}" if one.fix_versions else "no version fixes it"
    return "; ".join(filter(None, [names, fix, one.summary]))


def _attestations(context: Context) -> Iterator[Finding]:
    yield from attested.findings(context.offer, context.memory, context.policy.attestations)


def _max_file(context: Context) -> Iterator[Finding]:
    limit = context.policy.max_file_mb.limit
    for file in context.offer.files:
        if file.distribution.size > limit * _MB:
            fact = f"has {file.distribution.size / _MB:,.1f} MB, more than {limit} MB"
            yield _about(context, "max_file_mb", file, fact)


def _max_release(context: Context) -> Iterator[Finding]:
    limit, size = context.policy.max_release_mb.limit, sum(file.distribution.size for file in context.offer.files)
    if size > limit * _MB:
        largest = sorted(context.offer.files, key=lambda file: file.distribution.size, reverse=True)[:3]
        names = ", ".join(file.distribution.filename for file in largest)
        text = f"the files have {size / _MB:,.1f} MB, more than {limit} MB; the largest are {names}"
        yield Finding("max_release_mb", "", "", text)


def _about(context: Context, rule: str, file: File, fact: str, *, is_checked: bool = True) -> Finding:
    return about(rule, file, fact, context.offer.chains, is_checked=is_checked)


_RULES = {
    "min_age_days": _min_age,
    "yanked": _yanked,
    "licenses": _licenses,
    "sdists": _sdists,
    "vulnerabilities": _vulnerabilities,
    "attestations": _attestations,
    "max_file_mb": _max_file,
    "max_release_mb": _max_release,
}
