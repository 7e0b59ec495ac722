"""Waivers before and now, pins -> items: exceptions that were added, are about to end, or excuse nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, timedelta

from packaging.version import Version

from scripts.change import Locks
from scripts.compared import Compared
from scripts.item import Fact, Item, Severity, Topic, plain, red, yellow
from scripts.texts import quoted
from scripts.waivers import Waiver

_SOON = timedelta(days=30)


def _covers(waiver: Waiver, version: Version) -> bool:
    return waiver.is_for(str(version))


def facts(one: Compared) -> Iterator[Fact]:
    """Yield the waivers that cover what came."""
    for waiver in one.context.waivers:
        if waiver.project == one.change.project and any(_covers(waiver, version) for version in one.change.after):
            yield plain(Topic.WAIVERS, f"waived: {waiver.rule} until {waiver.expires}, {quoted(waiver.reason)}")


def excused(fact: Fact, one: Compared) -> Fact:
    """Return a fact as it is, or as one that is only to be looked at, where a waiver in force is about it."""
    for waiver in one.context.waivers:
        is_meant = (waiver.rule, waiver.project) == (fact.rule, one.change.project)
        if is_meant and waiver.advisory in {"", *fact.ids} and all(_covers(waiver, each) for each in one.change.after):
            return fact._replace(severity=max(fact.severity, Severity.YELLOW), text=f"{fact.text} (waived)")
    return fact


def _title(waiver: Waiver, what: str) -> str:
    advisory = f", {quoted(waiver.advisory)}" if waiver.advisory else ""
    return f"waiver of {waiver.rule} for **{waiver.project}** {quoted(waiver.versions)}{advisory}{what}"


def _use(waiver: Waiver, head: Locks) -> Fact:
    pinned = {version for lock in head.values() for version in lock.projects.get(waiver.project, {})}
    if covered := sorted(version for version in pinned if _covers(waiver, version)):
        return plain(Topic.WAIVERS, f"covers {waiver.project} {', '.join(map(str, covered))}")
    return yellow(Topic.WAIVERS, "covers nothing that is locked; remove it")


def _expiry(waiver: Waiver, day: date) -> Iterator[Fact]:
    if waiver.expires < day:
        yield red(Topic.WAIVERS, f"expired on {waiver.expires}")
    elif waiver.expires - day <= _SOON:
        yield yellow(Topic.WAIVERS, f"expires on {waiver.expires}")


def _added(waiver: Waiver) -> Fact:
    by = f"{quoted(waiver.approved_by)} answers for it until {waiver.expires}"
    return yellow(Topic.WAIVERS, f"{by}: {quoted(waiver.reason, 500)}")


def items(old: Sequence[Waiver], new: Sequence[Waiver], head: Locks, day: date) -> Iterator[Item]:
    """Yield what there is to know of waivers on a day."""
    before, after = ({one._replace(number=0) for one in each} for each in (old, new))
    for waiver in sorted(after - before):
        found = (_added(waiver), _use(waiver, head), *_expiry(waiver, day))
        yield Item("waiver", (waiver.project,), _title(waiver, ", added"), tuple(sorted(found)))
    for waiver in sorted(before - after):
        yield Item(
            "waiver", (waiver.project,), _title(waiver, ", removed"), (plain(Topic.WAIVERS, "it excuses no more"),)
        )
    for waiver in sorted(after & before):
        if found := tuple(_expiry(waiver, day)):
            yield Item("waiver", (waiver.project,), _title(waiver, ""), found)
