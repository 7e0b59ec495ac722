"""What is offered -> findings: each breach of the rules under `policy:` in packages.yaml.

A fact that could not be had is a finding too, one that is not checked.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import NamedTuple

from scripts.finding import Finding, about
from scripts.list_files import File
from scripts.locks import Key
from scripts.offer import Offer
from scripts.rules import Policy

_MB = 10**6


class Context(NamedTuple):
    """What the rules look at: the offer, and for each lock the moment before which its files had to be uploaded."""

    offer: Offer
    policy: Policy
    cutoffs: Mapping[Key, datetime]


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
    "sdists": _sdists,
    "max_file_mb": _max_file,
    "max_release_mb": _max_release,
}
