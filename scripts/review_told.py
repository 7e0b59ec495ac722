"""A change -> facts that the index tells of its files: age, yanks, status, publishers, and the versions in between."""

from __future__ import annotations

from collections.abc import Iterator

from scripts.compared import Compared, listed
from scripts.facts import Status
from scripts.item import Fact, Topic, plain, red, yellow
from scripts.people import count
from scripts.texts import quoted

_RULE = "attestations"


def _origin(one: Compared) -> Iterator[Fact]:
    before, now = (one.change.project in names for names in one.context.in_house)
    if before and not now and one.change.new:
        yield red(Topic.CHANGE, "was built in-house, and comes from the upstream now")
    elif now and one.change.new:
        word = "built in-house" if before or one.change.kind == "added" else "comes from in-house now"
        yield plain(Topic.CHANGE, word)


def _age(one: Compared) -> Iterator[Fact]:
    times = [file.upload_time for file in one.new if file.upload_time]
    if not times or one.is_private:
        return
    made = max((one.context.moments.get(key, one.context.as_of) for key in one.change.keys), default=one.context.as_of)
    days = max(0, (made - max(times)).days)
    text = f"the newest file was {count(days, 'day')} old"
    yield yellow(Topic.AGE, text, "min_age_days") if days < one.context.young else plain(Topic.AGE, text)


def _skipped(one: Compared) -> Iterator[Fact]:
    if not one.change.before or not one.change.after or not one.project.versions:
        return
    low, high = sorted((max(one.change.before), max(one.change.after)))
    between = sorted(each for each in one.project.versions if low < each < high and not each.is_prerelease)
    yanked = [each for each in between if one.project.versions[each]]
    if between:
        bad = f", of which {listed(yanked)} {'is' if len(yanked) == 1 else 'are'} yanked" if yanked else ""
        yield plain(Topic.AGE, f"skips {count(len(between), 'version')}: {listed(between)}{bad}")


def _yanked(one: Compared) -> Iterator[Fact]:
    if yanked := [file for file in one.new if file.yanked]:
        reasons = frozenset(str(file.yanked) for file in yanked if isinstance(file.yanked, str))
        yield red(Topic.AGE, "yanked" + (f": {listed(reasons)}" if reasons else ""), "yanked")
    elif one.change.new and any(file.yanked for file in one.old):
        yield plain(Topic.AGE, "what it replaces is yanked")


def _status(one: Compared) -> Iterator[Fact]:
    status = one.project.status or Status()
    if status.status != "active":
        fact = red if status.status == "quarantined" else yellow
        why = f": {quoted(status.reason)}" if status.reason else ""
        yield fact(Topic.AGE, f"the project is {status.status}{why}")
    if one.project.versions == {}:
        yield yellow(Topic.AGE, "the upstream does not know the project")


def _attestation(one: Compared) -> Iterator[Fact]:
    if faults := frozenset(file.published.fault for file in one.new if file.published.fault):
        yield red(Topic.ATTESTATION, f"the attestation does not hold: {listed(faults)}", _RULE)
        return
    known = [[file.published.by for file in files if file.published.by is not None] for files in (one.old, one.new)]
    if not known[1] or one.is_private:
        return
    old, new = (frozenset(filter(None, each)) for each in known)
    if old and "" in known[1]:
        yield red(Topic.ATTESTATION, f"lost its attestation; before, {listed(old)} published it", _RULE)
    if old and new - old:
        yield red(Topic.ATTESTATION, f"the publisher changed from {listed(old)} to {listed(new)}", _RULE)
    elif new and not old and known[0]:
        yield plain(Topic.ATTESTATION, f"gained an attestation, by {listed(new)}")
    elif new and "" not in known[1]:
        yield plain(Topic.ATTESTATION, f"published by {listed(new)}" + (", as before" if old else ""))


def facts(one: Compared) -> Iterator[Fact]:
    """Yield what is told of the files that came, and of their project."""
    for find in (_origin, _age, _skipped, _yanked, _status, _attestation):
        yield from find(one)


def unchecked(one: Compared) -> Iterator[str]:
    """Name what of this is not known."""
    if one.is_private:
        return
    if any(file.upload_time is None for file in one.new):
        yield "age"
    if any(file.yanked is None for file in one.new):
        yield "yanks"
    if one.change.before and one.project.versions is None:
        yield "skipped versions"
    if one.project.status is None:
        yield "project status"
    if any(file.published.by is None and not file.published.fault for file in one.new):
        yield "attestations"
