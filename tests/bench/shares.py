"""A command of ours -> which share of its time, or of its memory, each step takes; measuring makes all a bit slower."""

from __future__ import annotations

import json
import pstats
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench import measure

Shares = Sequence[tuple[str, float]]
Steps = Mapping[str, Sequence[str]]
# Step -> the functions, by module, that do it, without those with a "-", which they call; none calls another one else.
INDEX = {
    "read requirements, settings and locks": ("gather.read_approved", "fingerprint.inputs_digest"),
    "see whether the pool is as it was": ("last_run.take",),
    "find and hash the files that are held": ("fetch.held",),
    "read and check files": ("list_files.list_files", "learned.read"),
    "on all cores: check closure, link or write pages, lists and the SBOM": (
        *("build.build_and_ask", "judge.conflict_findings"),
    ),
    "tell what changed": ("publish.tell",),
    "check all pages and files against each other": ("publish._refuse",),
    "digest all for the manifest": ("publish._content_digest", "publish._manifest"),
    "fill the pool and read it back": ("pool.fill", "pool.check", "pool.retire"),
    "sync the release and read it back": ("release._write",),
    "leave a record": ("last_run.keep",),
}
SAME = {
    "look at the shared folder": ("fingerprint.shared_digest",),
    "wait until the checkout and the code are read, which goes on meanwhile": (
        *("last_run.still_holds", "-fingerprint.shared_digest"),
    ),
}
FETCHED = {"ask the upstream, download and hash": ("fetch.fetch", "-fetch.held")}
FETCH = {
    "read the checkout": ("gather.read_approved",),
    "read the projects' pages": ("upstream.pages",),
    "read provenance": ("upstream.provenances",),
    "download and hash": ("download.download_all",),
}


def _times(stats: pstats.Stats) -> dict[str, float]:
    """Map each function of ours to the seconds that it took, with what it calls."""
    return {
        f"{Path(path).stem}.{function}": seconds
        for (path, _, function), (_, _, _, seconds, _) in stats.stats.items()  # type: ignore[attr-defined]
        if Path(path).parent.name == "scripts"
    }


def _shares(steps: Steps, taken: Mapping[str, float], whole: float, rest: str) -> Shares:
    """Return each step's share of the whole, the largest first, and what is left."""
    signs = {step: [(name.lstrip("-"), -1 if name[0] == "-" else 1) for name in names] for step, names in steps.items()}
    sums = {step: sum(sign * taken.get(name, 0) for name, sign in names) for step, names in signs.items()}
    sums[rest] = whole - sum(sums.values())
    return sorted(((step, size / whole) for step, size in sums.items()), key=lambda one: -one[1])


def shares(steps: Steps, module: str, *arguments: str, cwd: Path, env: Mapping[str, str]) -> Shares:
    """Run a module in a folder; returns each step's share of its time."""
    place = cwd / "profile"
    command: tuple[str | Path, ...] = (sys.executable, "-m", "cProfile", "-o", place, "-m", module, *arguments)
    measure.run(*command, cwd=cwd, env=env)
    stats = pstats.Stats(str(place))
    place.unlink()
    whole: float = stats.total_tt  # type: ignore[attr-defined]
    return _shares(steps, _times(stats), whole, "all else, such as Python's start")


def memory(module: str, *arguments: str, cwd: Path, env: Mapping[str, str]) -> tuple[int, Shares]:
    """Run a module that does what INDEX has in a folder; returns its peak in bytes, and each step's share of that."""
    place = cwd / "memory"
    measure.run(sys.executable, "-m", "bench.memory", place, module, *arguments, cwd=cwd, env=env)
    grown: dict[str, int] = json.loads(place.read_text())
    place.unlink()
    peak = grown.pop("")
    return peak, _shares(INDEX, grown, peak, "all else: Python, its modules, and what goes again")


def markdown(found: Shares) -> str:
    """Return a table of the shares, without those that round to nothing."""
    lines = (f"| {step} | {share:.0%} |\n" for step, share in found if share >= 0.005)
    return "| step | share |\n|---|---|\n" + "".join(lines)
