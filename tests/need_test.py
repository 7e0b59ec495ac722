"""scripts/need.py: what closure knows of a requirement."""

from __future__ import annotations

import gc

import pytest
from packaging.requirements import InvalidRequirement, Requirement

from scripts.need import Asked, need_of


def test_what_is_asked_for_is_the_same_whatever_the_marker() -> None:
    text = "My.App[B_b,a]<2,>=1"
    asked = Asked("my-app", "<2,>=1", ("", "a", "b-b"))
    assert need_of(text) == (asked, None, "")
    other = need_of(f"{text}; python_version < '3.9'")
    assert other.asked == asked
    assert str(other.marker) == other.condition == 'python_version < "3.9"'


def test_a_url_asks_for_no_version() -> None:
    assert need_of("app @ https://example.org/app.whl").asked == Asked("app", None, ("",))
    assert need_of("app").asked == Asked("app", "", ("",))


def test_what_is_no_requirement_is_refused() -> None:
    with pytest.raises(InvalidRequirement):
        need_of("a b")


def test_of_a_requirement_no_more_is_kept_than_what_counts() -> None:
    need_of("small==1.0; python_version < '3.9'")
    assert not [one for one in gc.get_objects() if isinstance(one, Requirement) and one.name == "small"]
