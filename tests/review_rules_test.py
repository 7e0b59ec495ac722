"""scripts/review_inside.py, review_files.py, review_drift.py: the smaller judgements of a review."""

from __future__ import annotations

import pytest
from packaging.version import Version

from scripts.change import Change
from scripts.item import Severity
from scripts.locks import Key
from scripts.review_changes import for_whom, why
from scripts.review_drift import settings
from scripts.review_files import _is_same_licence
from scripts.review_inside import is_near
from scripts.target import Target
from scripts.why import Chain


@pytest.mark.parametrize(
    ("one", "other", "is_so"),
    [
        ("requests", "request", True),  # one less
        ("requests", "rrequests", True),  # one more
        ("requests", "requezts", True),  # another
        ("requests", "reqeusts", True),  # two swapped
        ("requests", "srequest", False),
        ("requests", "requests", False),
        ("requests", "requesst", True),
        ("requests", "rqeusets", False),
        ("a", "b", True),
        ("", "ab", False),
    ],
)
def test_a_name_is_near_where_one_edit_makes_it_another(one: str, other: str, is_so: bool) -> None:
    assert (is_near(one, other), is_near(other, one)) == (is_so, is_so)


@pytest.mark.parametrize(
    ("old", "new", "is_so"),
    [
        ("MIT License", "MIT", True),
        ("BSD License", "BSD-3-Clause", True),
        ("BSD License", "MIT", False),
        ("MIT", "MIT OR Apache-2.0", False),
        ("none stated", "MIT", False),
    ],
)
def test_a_licence_that_is_stated_in_another_way_is_the_same(old: str, new: str, is_so: bool) -> None:
    assert _is_same_licence(old, new) == is_so


def test_locks_are_named_by_their_targets_and_by_their_sets_where_there_are_several() -> None:
    targets = [Target("3.12", "win_amd64"), Target("3.13", "win_amd64")]
    one, two = ([Key(name, target) for target in targets] for name in ("requirements", "dev"))
    assert for_whom(one, one) == "every lock"
    assert for_whom(one[:1], one[:1]) == ""
    assert for_whom(one[:1], one) == "3.12 on win_amd64"
    assert for_whom([*one, two[0]], [*one, *two]) == "`dev`: 3.12 on win_amd64; `requirements`: 3.12, 3.13 on win_amd64"


def changed(old: str, new: str) -> list[tuple[str, str, Severity]]:
    return [(one.title, one.facts[0].text, one.severity) for one in settings(old, new)]


def test_each_setting_that_changed_is_told_and_what_lets_more_in_is_to_be_looked_at() -> None:
    old = "platforms: [a, b]\npolicy:\n  yanked: error\n  min_age_days: 14\ndenied: {evil: it steals}\n"
    new = "platforms: [b, c]\npolicy:\n  yanked: error\n  min_age_days: 1\nrequest_url: mailto:me\n"
    assert changed(old, new) == [
        ("packages.yaml: `denied.evil`", "`it steals` → not there", Severity.YELLOW),
        ("packages.yaml: `platforms`", "− `a`, + `c`", Severity.PLAIN),
        ("packages.yaml: `policy.min_age_days`", "`14` → `1`", Severity.YELLOW),
        ("packages.yaml: `request_url`", "not there → `mailto:me`", Severity.PLAIN),
    ]


def test_comments_and_spaces_are_no_change() -> None:
    assert changed("platforms: [a]\n", "# why\nplatforms:\n  - a\n") == []


@pytest.mark.parametrize("text", ["{", "- a\n- b\n", "1", "a: &x [*x]\n"])
def test_settings_that_are_none_do_not_keep_the_review_away(text: str) -> None:
    assert changed("platforms: [a]\n", text)
    assert changed(text, text) == []


@pytest.mark.parametrize(
    ("set_name", "said"),
    [
        ("requirements", "direct, `requirements.in:2` (`flask`)"),
        ("legacy", "direct, `legacy.in:1` (`flask<3`)"),
        ("other", "via `-r other.in`"),
    ],
)
def test_a_change_is_told_with_the_requirement_of_its_own_set(set_name: str, said: str) -> None:
    asked = (("requirements", "requirements.in:2", "flask"), ("legacy", "legacy.in:1", "flask<3"))
    chains = [Chain(name, ("flask",), where, requirement, "") for name, where, requirement in asked]
    key = Key(set_name, Target("3.12", "win_amd64"))
    change = Change("flask", "gained", (), (Version("2.3.3"),), (key,), vias=frozenset({f"-r {set_name}.in"}))
    assert why(change, {"flask": chains}) == said
