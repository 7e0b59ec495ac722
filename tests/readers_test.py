"""tests/readers.py for a short while: nobody who reads while somebody publishes sees what should not be there."""

from __future__ import annotations

from pathlib import Path

import pytest
from readers import eight, take_turns


@pytest.mark.slow
def test_readers_see_one_release_or_the_other_and_no_install_fails(tmp_path: Path) -> None:
    counts = take_turns(tmp_path, lambda counts: counts.publishes == 2)
    assert counts.problems == []
    assert min(counts.looks, counts.whole, counts.pip, counts.uv) >= 1


@pytest.mark.slow
def test_eight_runs_at_once_all_succeed_and_make_one_release(tmp_path: Path) -> None:
    assert eight(tmp_path) == []
