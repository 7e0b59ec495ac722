"""scripts/change.py: what became of each project between two sets of locks, equal changes of many locks in one."""

from __future__ import annotations

import pytest
from packaging.version import Version

from scripts.change import Change, Lock, compare, parse
from scripts.locks import Key
from scripts.target import Target

LINUX, WINDOWS = (Key("requirements", Target("3.12", name)) for name in ("manylinux_2_28_x86_64", "win_amd64"))
ONE, TWO, THREE = ("1" * 64, "2" * 64, "3" * 64)


def lock(*pins: str) -> Lock:
    """Return a lock of pins such as `alpha==1.0 <hash> …`, which a requirement asks for."""
    blocks = []
    for pin in pins:
        name, *hashes = pin.split()
        lines = " \\\n".join(f"    --hash=sha256:{each}" for each in hashes)
        blocks.append(f"{name} \\\n{lines}\n    # via -r requirements.in\n")
    return parse(f"# tools: x\n\n{''.join(blocks)}")


def change(kind: str, before: str, after: str, *keys: Key, old: str = "", new: str = "") -> Change:
    versions = [tuple(map(Version, each.split())) for each in (before, after)]
    hashes = [frozenset(each.split()) for each in (old, new)]
    vias = frozenset({"-r requirements.in"})
    return Change("alpha", kind, versions[0], versions[1], keys, hashes[0], hashes[1], vias)


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (f"alpha==1.0 {ONE}", f"alpha==1.1 {TWO}", change("upgraded", "1.0", "1.1", LINUX, old=ONE, new=TWO)),
        (f"alpha==1.10 {ONE}", f"alpha==1.9 {TWO}", change("downgraded", "1.10", "1.9", LINUX, old=ONE, new=TWO)),
        (f"alpha==1.0 {ONE}", f"alpha==1.0 {TWO}", change("rehashed", "1.0", "1.0", LINUX, old=ONE, new=TWO)),
        (f"alpha==1.0 {ONE} {TWO}", f"alpha==1.0 {ONE}", change("vanished", "1.0", "1.0", LINUX, old=TWO)),
        (f"alpha==1.0 {ONE}", f"alpha==1.0 {ONE} {TWO}", change("rehashed", "1.0", "1.0", LINUX, new=TWO)),
        ("", f"alpha==1.0 {ONE}", change("added", "", "1.0", LINUX, new=ONE)),
        (f"alpha==1.0 {ONE}", "", change("removed", "1.0", "", LINUX, old=ONE)),
    ],
)
def test_a_change_of_one_lock_has_its_kind(before: str, after: str, expected: Change) -> None:
    sides = [{LINUX: lock(*filter(None, [each]))} for each in (before, after)]
    assert compare(sides[0], sides[1]) == [expected]


def test_equal_locks_have_no_change() -> None:
    side = {LINUX: lock(f"alpha==1.0 {ONE}")}
    assert compare(side, side) == []


def test_the_same_change_of_two_locks_is_one_though_the_files_are_others() -> None:
    base = {LINUX: lock(f"alpha==1.0 {ONE}"), WINDOWS: lock(f"alpha==1.0 {ONE}")}
    head = {LINUX: lock(f"alpha==1.1 {TWO}"), WINDOWS: lock(f"alpha==1.1 {THREE}")}
    new = f"{TWO} {THREE}"
    assert compare(base, head) == [change("upgraded", "1.0", "1.1", LINUX, WINDOWS, old=ONE, new=new)]


def test_what_another_lock_has_is_gained_or_lost() -> None:
    few, many = {LINUX: lock(f"alpha==1.0 {ONE}")}, {key: lock(f"alpha==1.0 {ONE}") for key in (LINUX, WINDOWS)}
    assert compare(few, many) == [change("gained", "", "1.0", WINDOWS, new=ONE)]
    assert compare(many, few) == [change("lost", "1.0", "", WINDOWS, old=ONE)]


def test_a_second_version_in_one_lock_is_added_beside_the_first() -> None:
    base, head = {LINUX: lock(f"alpha==1.0 {ONE}")}, {LINUX: lock(f"alpha==1.0 {ONE}", f"alpha==2.0 {TWO}")}
    assert compare(base, head) == [change("added", "", "2.0", LINUX, new=TWO)]
    assert compare(head, base) == [change("removed", "2.0", "", LINUX, old=TWO)]


def test_what_is_no_pin_is_told_and_hides_no_other() -> None:
    found = parse(f"# tools: x\n\nevil @ file:///x\nalpha==1.0 \\\n    --hash=sha256:{ONE}\n    # via\n    #   beta\n")
    assert found.problems == ("'evil @ file:///x' is no pin",)
    assert found.projects["alpha"][Version("1.0")].vias == ("beta",)
