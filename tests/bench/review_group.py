"""`make review` of a pull request that changes 50 pins, with an upstream on loopback."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

from upstream import Upstream

from bench import synthetic
from bench.measure import FailedError, side_by_side
from bench.place import Place
from bench.table import Row, row

_PROJECTS, _CHANGED = 60, 50
_TRACKED = ("locks", "packages.yaml", "requirements.in")
_POLICY = "policy:\n  yanked: error\n  max_file_mb: 100\n"


def _commit(checkout: Path, message: str) -> None:
    """Commit requirements, settings and locks, as nobody in particular."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    who = ("-c", "user.name=bench", "-c", "user.email=bench@example.com", "-c", "init.defaultBranch=main")
    steps = ("init", "--quiet"), ("add", *_TRACKED), ("commit", "--quiet", f"--message={message}")
    for step in steps:
        env = kept | {"GIT_CONFIG_GLOBAL": os.devnull}
        subprocess.run(("git", *who, *step), cwd=checkout, env=env, check=True, capture_output=True)


def _history(place: Place, checkout: Path, root: Path) -> Upstream:
    """Publish 60 projects, then approve another version of 50; returns the index that has all of them."""
    before = list(synthetic.versions(_PROJECTS, 1))
    after = list(synthetic.versions(_CHANGED, 1, major=2))
    upstream = Upstream()
    for project, version in (*before, *after):
        upstream.add(synthetic.make(project, version))
    wheels = checkout / "wheels"
    approvals = synthetic.save(before, wheels)
    synthetic.approve(checkout, approvals, synthetic.SIX_TARGETS, _POLICY)
    synthetic.hold(root, sorted(wheels.iterdir()))
    place.make(checkout, "index", root)
    _commit(checkout, "before")
    changed = [*synthetic.save(after, checkout / "new"), *approvals[_CHANGED:]]
    synthetic.approve(checkout, changed, synthetic.SIX_TARGETS, _POLICY)
    _commit(checkout, "after")
    return upstream


def rows(place: Place) -> Iterator[Row]:
    """Measure the one row."""
    checkout = place.checkout("review")
    root = checkout / "shared"
    with _history(place, checkout, root) as upstream:

        def review() -> float:
            done = place.make(checkout, "review", root, "BASE=HEAD~1", f"UPSTREAM={upstream.url}")
            if done.output.count("1.0 → 2.0") < _CHANGED:
                raise FailedError("make review tells of fewer changes than there are")
            return done.seconds

        work = f"make review, {_CHANGED} changed pins, 6 targets"
        yield row(work, "", "≤ 3 s", lambda: side_by_side(review))
