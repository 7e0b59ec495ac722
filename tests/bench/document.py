"""Rows and curves -> docs/benchmarks.md, docs/benchmarks.svg."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from bench.plot import Curve, svg
from bench.shares import Shares
from bench.shares import markdown as shares
from bench.table import Row, markdown

Profiles = Mapping[str, Mapping[str, Shares]]
TITLES = {
    "index": "`make index`",
    "lock": "`make lock`",
    "fetch": "Fetching what a lock names",
    "serve": "Serving",
    "wire": "Bytes over the wire",
    "closure": "Closure",
    "review": "`make review`",
}
# What a reader has to know to compare the two.
NOTES = {
    "index": "dumb-pypi renders pages of a list that is ready. `make index` also hashes and opens every file, writes "
    "JSON, sidecars, pages for people, lists and a bill of materials, checks all against each other, syncs it and "
    "reads it back. After a change it links the pages of other projects into the new release, and writes and checks "
    "again what names every file.\n\n"
    "A part of a first build, by itself and on all cores: hash every wheel, parse its METADATA and write its sidecar, "
    "let dumb-pypi render, parse the pages of a release that is ready, write them, and sync it all. A part of a "
    "change: link the pages of the release before into a folder of their own, write and compress the lists of all "
    "files, and sync that. Where a part takes longer than a target allows the whole, that part would have to be done "
    "in another way; what the whole takes beyond it is in the profiles.\n\n"
    "In a row of a run without an optimisation, theirs is our own run with all of them.",
    "fetch": "pip neither checks nor publishes what it downloads, which is the work of the fetch by itself. All of "
    "`make index` also has what the second profile shows.",
    "serve": "The target for a project page leaves a tenth of a request. The access log takes it, and looking up the "
    "live release, without which a page could get another release's validator: see the rows without either.",
}
_CURVES = {"first": "first build", "same": "nothing changed", "changed": "10 files changed"}
_WHO = {"ours": "make index", "theirs": "dumb-pypi"}


def _named(name: str) -> str:
    kind, _, who = name.partition(" ")
    return f"{_CURVES[kind]}, {_WHO[who]}"


def machine() -> str:
    """Return what was measured with: the day, processors, Python and the versions of what stands beside."""
    peers = ", ".join(f"{name} {version(name)}" for name in ("dumb-pypi", "pip", "pip-tools", "uv"))
    day = f"{datetime.now(UTC):%Y-%m-%d}"
    return f"{day}, {os.cpu_count()} cores, {platform.system()}, CPython {platform.python_version()}, {peers}"


def text(rows: Mapping[str, Sequence[Row]], profiles: Profiles, made_with: str, *, has_plot: bool) -> str:
    """Return the document."""
    parts = [
        "# Benchmarks\n\n",
        "Written by `make bench`, which measures in turn, ours and theirs, and takes the median of the runs.\n"
        "A ratio is ours divided by theirs.\n\n",
        f"{made_with}.\n",
    ]
    for group, found in rows.items():
        parts.append(f"\n## {TITLES[group]}\n\n{markdown(found)}")
        if group in NOTES:
            parts.append(f"\n{NOTES[group]}\n")
        if group == "index" and has_plot:
            parts.append("\n![Seconds over the number of files](benchmarks.svg)\n")
        parts += (f"\nWhere the {what}:\n\n{shares(told)}" for what, told in profiles.get(group, {}).items())
    return "".join(parts)


def write(folder: Path, rows: Mapping[str, Sequence[Row]], curves: Mapping[str, Curve], profiles: Profiles) -> None:
    """Write both files."""
    if curves:
        named = {_named(name): curve for name, curve in curves.items()}
        (folder / "benchmarks.svg").write_text(svg(named), encoding="utf-8")
    (folder / "benchmarks.md").write_text(text(rows, profiles, machine(), has_plot=bool(curves)), encoding="utf-8")
