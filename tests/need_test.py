"""scripts/need.py: what closure knows of a requirement."""

from __future__ import annotations

import gc

import pytest
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from scripts.need import Asked, need_of
from scripts.requirements import Line, line_of, plain_pin


def test_what_is_asked_for_is_the_same_whatever_the_marker() -> None:
    text = "My.App[B_b,a]<2,>=1"
    asked = Asked("my-app", "<2,>=1", ("", "a", "b-b"))
    assert need_of(text) == (asked, None, "")
    other = need_of(f"{text}; python_version < '3.9'")
    assert other.asked == asked
    assert str(other.marker) == other.condition == 'python_version < "3.9"'


@pytest.mark.parametrize("text", ["My.App==1.0", "a==1", "a_b-c.d==01.20.3"])
def test_a_plain_pin_is_the_same_as_any_other_requirement(text: str) -> None:
    name, version = plain_pin(text) or ("", "")
    assert need_of(text) == need_of(f"{name}== {version}")  # which is parsed
    assert line_of("a.in", 1, Requirement(text)) == Line("a.in", 1, text, canonicalize_name(name), version)


@pytest.mark.parametrize(
    "text",
    ["a==1.*", "a==1.0rc1", "a==1+b", "a===1", "a[b]==1", "a==1; x", "a==1,==1", "a", "-a==1", "a-==1", "a==1\n"],
)
def test_whatever_is_no_plain_pin_is_parsed(text: str) -> None:
    assert plain_pin(text) is None


def test_a_url_asks_for_no_version() -> None:
    assert need_of("app @ https://example.org/app.whl").asked == Asked("app", None, ("",))
    assert need_of("app").asked == Asked("app", "", ("",))


def test_what_is_no_requirement_is_refused() -> None:
    with pytest.raises(InvalidRequirement):
        need_of("a b")


def test_of_a_requirement_no_more_is_kept_than_what_counts() -> None:
    need_of("small==1.0; python_version < '3.9'")
    assert not [one for one in gc.get_objects() if isinstance(one, Requirement) and one.name == "small"]
