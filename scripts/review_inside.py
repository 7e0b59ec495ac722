"""A change, what is in its wheels -> facts: what can be imported, run, or runs by itself that was not there before."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from scripts.compared import Compared, listed
from scripts.evidence import FileFacts
from scripts.inside import Inside
from scripts.item import Fact, Topic, plain, red, yellow

_SHORT = 4  # names shorter than that are near to too many


def _whole(files: Sequence[FileFacts]) -> Inside:
    """Return everything that is in any of the wheels of one release."""
    found = [file.examined.inside for file in files if file.examined.inside]
    return Inside(*(frozenset[Any]().union(*parts) for parts in zip(Inside(), *found, strict=True)))


def is_near(one: str, other: str) -> bool:
    """Whether a name becomes another one by one edit: a character more, less, other, or two swapped."""
    if one == other or abs(len(one) - len(other)) > 1:
        return False
    start = next(
        (at for at, pair in enumerate(zip(one, other, strict=False)) if pair[0] != pair[1]), min(len(one), len(other))
    )
    first, second = one[start:], other[start:]
    is_swap = len(first) == len(second) > 1 and first[:2] == second[1::-1] and first[2:] == second[2:]
    return is_swap or first[1:] == second[1:] or first == second[1:] or first[1:] == second


def _near(one: Compared) -> Iterator[Fact]:
    name = one.change.project
    same = {other for other in one.context.before if other.replace("-", "") == name.replace("-", "") and other != name}
    near = same | {
        other for other in one.context.before if min(len(name), len(other)) >= _SHORT and is_near(name, other)
    }
    if one.change.kind == "added" and near and name not in one.context.before:
        yield red(Topic.INSIDE, f"its name is one edit away from {listed(frozenset(near))}, which is approved")


def _gained(one: Compared, old: Inside, new: Inside) -> Iterator[Fact]:
    fact = yellow if one.old else plain
    word = "new " if one.old else ""
    for what, before, after in (
        ("top-level names", old.names, new.names),
        ("commands", old.commands, new.commands),
        ("entry points for others to load", old.plugins, new.plugins),
        ("files outside of site-packages", old.elsewhere, new.elsewhere),
    ):
        if gained := after - before:
            yield fact(Topic.INSIDE, f"{word}{what}: {listed(gained)}")


def _startup(old: Inside, new: Inside, is_known: bool) -> Iterator[Fact]:
    if gained := new.startup - old.startup:
        fact, word = (red, "") if is_known else (yellow, ", which may have been there before")
        yield fact(Topic.INSIDE, f"runs code at each start of Python{word}: {listed(gained)}")
    if kept := new.startup & old.startup:
        yield plain(Topic.INSIDE, f"still runs code at each start of Python: {listed(kept)}")


def facts(one: Compared) -> Iterator[Fact]:
    """Yield what is inside of the files that came and was not inside of those that they are compared with."""
    yield from _near(one)
    old, new = _whole(one.old), _whole(one.new)
    is_known = not one.old or any(file.examined.inside for file in one.old)
    yield from _startup(old, new, is_known)
    if is_known:
        yield from _gained(one, old, new)


def unchecked(one: Compared) -> Iterator[str]:
    """Name what of this is not known."""
    if any(file.examined.inside is None and not file.examined.unsound for file in one.new):
        yield "what is inside"
    elif one.old and all(file.examined.inside is None for file in one.old):
        yield "what was inside before"
