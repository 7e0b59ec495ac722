"""Targets -> their names for people: in order, and folded where they are many."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from functools import cache

from scripts.locks import Key
from scripts.target import Target

_SYSTEMS = ("Linux", "Darwin", "Windows")
_MOST_TARGETS = 3  # that are named one by one


def python_order(python: str) -> tuple[tuple[int, ...], bool]:
    """Sort 3.9 before 3.10, and a free-threaded build after the other one."""
    return tuple(map(int, python.removesuffix("t").split("."))), python.endswith("t")


@cache
def platform_order(target: Target) -> tuple[int, str]:
    """Sort by system, then by platform."""
    return _SYSTEMS.index(target.environment["platform_system"]), target.platform


def target_order(target: Target) -> tuple[tuple[int, str], tuple[tuple[int, ...], bool]]:
    """Sort by platform, then by Python."""
    return platform_order(target), python_order(target.python)


def folded(targets: Iterable[Target]) -> list[str]:
    """Name targets by what they share, such as `3.11, 3.12 on manylinux_2_28_x86_64, win_amd64`."""
    pythons: dict[str, list[str]] = {}
    for target in sorted(set(targets), key=target_order):
        pythons.setdefault(target.platform, []).append(target.python)
    platforms: dict[str, list[str]] = {}
    for platform, versions in pythons.items():
        platforms.setdefault(", ".join(versions), []).append(platform)
    return [f"{versions} on {', '.join(names)}" for versions, names in platforms.items()]


def served_on(keys: Iterable[Key]) -> list[str]:
    """Say for which targets a file is."""
    return folded(key.target for key in keys)


def target_names(targets: Iterable[Target]) -> str:
    """Name a few targets one by one, and more of them by what they share."""
    names = [str(target) for target in sorted(set(targets), key=target_order)]
    return ", ".join(names) if len(names) <= _MOST_TARGETS else "; ".join(folded(targets))


def for_whom(keys: Collection[Key], offered: Collection[Key] = ()) -> str:
    """Name sets with their targets; where it is all that are offered of a set, that is said instead."""
    sets: dict[str, set[Target]] = {}
    for key in keys:
        sets.setdefault(key.set_name, set()).add(key.target)
    of_set = {name: {key.target for key in offered if key.set_name == name} for name in sets}
    return "; ".join(f"{name}: {_all_or_names(targets, of_set[name])}" for name, targets in sorted(sets.items()))


def _all_or_names(targets: set[Target], offered: set[Target]) -> str:
    is_all = targets == offered and len(targets) > _MOST_TARGETS
    return f"all {len(targets)} targets" if is_all else target_names(targets)
