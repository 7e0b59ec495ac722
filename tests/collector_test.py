"""scripts/collector.py: what lives to the end is not looked at, and what upstreams' pages leave does not pile up."""

from __future__ import annotations

import gc
import weakref

import pytest
from conftest import Checkout
from distributions import wheel
from publish_test import publish
from pypi_simple import ProjectPage

from scripts import collector


class _Circle:
    def __init__(self) -> None:
        self.itself = self


def _left(number: int) -> int:
    """Return how many of so many circles are there still once nobody holds any."""
    circles = [weakref.ref(_Circle()) for _ in range(number)]
    return sum(circle() is not None for circle in circles)


def test_at_rest_circles_stay_and_at_work_they_go() -> None:
    with collector.at_rest():
        assert _left(10_000) == 10_000
        with collector.at_work():
            assert gc.get_freeze_count() > 1_000
            assert _left(10_000) < 5_000
        assert not gc.isenabled()
    assert gc.isenabled()


def test_it_is_at_work_where_pages_are_parsed(checkout: Checkout, monkeypatch: pytest.MonkeyPatch) -> None:
    is_at_work, parse = list[bool](), ProjectPage.from_html

    def note(*arguments: object) -> object:
        is_at_work.append(gc.isenabled())
        return parse(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(ProjectPage, "from_html", note)
    checkout.upstream.json = False
    publish(checkout, wheel("alpha", "1.0"))
    assert is_at_work == [True]
    assert gc.isenabled()
