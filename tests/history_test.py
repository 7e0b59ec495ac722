"""scripts/history.py: what each release added, removed and upgraded is told, also of releases that are gone."""

from __future__ import annotations

import json

import pytest
from approved import approve
from conftest import Checkout
from distributions import Distribution, wheel
from publish_test import live, publish

from scripts import history
from scripts.history import Change


def listed(*filenames: str) -> list[bytes]:
    return [json.dumps({"filename": name, "hash": f"sha256={name}"}).encode() for name in filenames]


def wheels(*releases: str) -> list[bytes]:
    return listed(*(f"{release}-py3-none-any.whl" for release in releases))


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ([], ["a-1.0"], [Change("a", "added", (), ("1.0",), 1, 0)]),
        (["a-1.0"], [], [Change("a", "removed", ("1.0",), (), 0, 1)]),
        (["a-1.9"], ["a-1.10"], [Change("a", "upgraded", ("1.9",), ("1.10",), 1, 1)]),
        (["a-1.10"], ["a-1.9"], [Change("a", "downgraded", ("1.10",), ("1.9",), 1, 1)]),
        (["a-1.0", "a-2.0"], ["a-2.0"], [Change("a", "changed", ("1.0", "2.0"), ("2.0",), 0, 1)]),
        (["a-1.0"], ["a-1.0", "a-2.0"], [Change("a", "upgraded", ("1.0",), ("1.0", "2.0"), 1, 0)]),
        (["a-1.0", "b-1.0"], ["b-1.0", "a-1.0"], []),
        (
            ["b-1.0", "A.x-1.0"],
            ["c-1.0", "a_x-1.0"],
            [
                Change("a-x", "changed", ("1.0",), ("1.0",), 1, 1),
                Change("b", "removed", ("1.0",), (), 0, 1),
                Change("c", "added", (), ("1.0",), 1, 0),
            ],
        ),
    ],
)
def test_a_change_is_named_by_its_newest_version(before: list[str], after: list[str], expected: list[Change]) -> None:
    assert list(history.changes(wheels(*before), wheels(*after))) == expected


def test_a_file_whose_bytes_changed_is_a_change() -> None:
    old, new = wheels("a-1.0"), wheels("a-1.0")
    new[0] = new[0].replace(b"sha256=a", b"sha256=b")
    assert history.changes(old, new) == (Change("a", "changed", ("1.0",), ("1.0",), 1, 1),)


def test_more_files_for_a_version_are_a_change() -> None:
    one, other = "a-1.0-py3-none-any.whl", "a-1.0-cp312-cp312-win_amd64.whl"
    assert history.changes(listed(one), listed(one, other)) == (Change("a", "changed", ("1.0",), ("1.0",), 1, 0),)


def test_files_that_stay_count_however_their_project_is_written() -> None:
    before = listed("my-app-1.0.tar.gz", "My_App-1.0-py3-none-any.whl", "my-2.0.tar.gz")
    after = listed("my-app-1.0.tar.gz", "my_app-2.0-py3-none-any.whl", "my-2.0.tar.gz")
    assert history.changes(before, after) == (Change("my-app", "upgraded", ("1.0",), ("1.0", "2.0"), 1, 1),)


def test_a_record_that_names_no_file_counts_for_nothing() -> None:
    damaged = [b'{"filename": 3}', b"{}", b"[]", b"{", b"[" * 100_000]
    assert history.changes(damaged, wheels("a-1.0")) == (Change("a", "added", (), ("1.0",), 1, 0),)


def told(checkout: Checkout) -> list[tuple[str, list[tuple[str, str]]]]:
    """Return (release, [(kind, project)]) of the live release, the newest first."""
    return [(one.release, [(c.kind, c.project) for c in one.changes]) for one in history.read(live(checkout))]


ALPHA, BETA = wheel("alpha", "1.0"), wheel("beta", "1.0")


def test_each_release_goes_on_with_what_the_one_before_it_told(checkout: Checkout) -> None:
    first = publish(checkout, ALPHA)
    second = publish(checkout, ALPHA, BETA)
    third = publish(checkout, wheel("alpha", "2.0"))
    assert told(checkout) == [
        (third.name, [("upgraded", "alpha"), ("removed", "beta")]),
        (second.name, [("added", "beta")]),
        (first.name, [("added", "alpha")]),
    ]


def test_after_a_rollback_the_story_goes_on_from_what_is_live(checkout: Checkout) -> None:
    first = publish(checkout, ALPHA)
    publish(checkout, ALPHA, BETA)
    web = checkout.root / "web"
    web.unlink()
    web.symlink_to(f"releases/{first.name}")
    third = publish(checkout, wheel("alpha", "2.0"))
    assert told(checkout) == [(third.name, [("upgraded", "alpha")]), (first.name, [("added", "alpha")])]


@pytest.mark.parametrize(
    "damage",
    [
        b"",
        b"\xff",
        b"3",
        b"[3]",
        b'[{"release": "x"}]',
        b'[{"release": 1, "time": 2, "changes": []}]',
        b'[{"release": "x", "time": "then", "changes": []}]',
    ],
)
def test_a_story_that_was_damaged_begins_anew(checkout: Checkout, damage: bytes) -> None:
    publish(checkout, ALPHA)
    (live(checkout) / "changes.json").write_bytes(damage)
    second = publish(checkout, ALPHA, BETA)
    assert told(checkout) == [(second.name, [("added", "beta")])]


def test_the_story_has_an_end(checkout: Checkout) -> None:
    release = publish(checkout, ALPHA)
    entries = json.loads((release / "changes.json").read_text())
    (release / "changes.json").write_text(json.dumps(entries * history.MOST_RELEASES))
    second = publish(checkout, ALPHA, BETA)
    found = told(checkout)
    assert (len(found), found[0]) == (history.MOST_RELEASES, (second.name, [("added", "beta")]))


def test_a_run_that_changes_nothing_adds_nothing(checkout: Checkout) -> None:
    one: Distribution = checkout.upstream.add(ALPHA)
    approve(one)
    checkout.index()
    before = told(checkout)
    checkout.index()
    assert told(checkout) == before
