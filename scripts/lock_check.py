"""locks/ -> exit status: says offline, from the digests in them, which locks are stale or missing."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from scripts import config, first_party, locks, waivers
from scripts.config import Config
from scripts.first_party import FirstParty
from scripts.locks import Key
from scripts.requirements import RequirementSet
from scripts.terminal import run


def problems(settings: Config) -> dict[Path, str]:
    """Say of each lock that is missing, stale, edited by hand or no longer asked for `fact; what to do`; offline.

    Where `packages.yaml` leaves Python or platform to the machine that runs `make lock`, that machine is known by the
    locks it wrote: the one that checks may be another.
    """
    there = locks.existing()
    pythons = sorted({key.target.python for key in there})
    platforms = sorted({key.target.platform for key in there})
    keys = locks.expected(settings, pythons, platforms)
    sets = {one.name: one for one in settings.sets}
    own = first_party.read(settings.first_party)
    found = {key.path: problem for key in keys if (problem := _problem(settings, sets[key.set_name], key, own))}
    return found | {path: "no longer asked for; run make lock" for key, path in there.items() if key not in keys}


def _problem(settings: Config, one: RequirementSet, key: Key, own: FirstParty) -> str | None:
    if not key.path.is_file():
        return "missing; run make lock"
    text = key.path.read_text(encoding="utf-8", errors="replace")
    fields, body = locks.split(text)
    inputs = locks.inputs_digest(settings, one, key.target)
    if fields.get("inputs") != inputs:
        return "stale, the requirements or packages.yaml changed since; run make lock"
    if text != locks.compose(key, inputs, fields.get("tools", ""), body, fields.get("uploaded-prior-to", "")):
        return "edited by hand, its digest does not match; run make lock"
    marked = locks.read_first_party(key.path)
    outside = {pin.name for pin in set(locks.read_pins(key.path)) - marked if pin.name in own.names}
    anew = {f"{pin}" for pin in marked if own.has(pin.name, pin.version) and pin.sha256 not in own.wheels}
    for which, fact in ((outside, "built in-house now"), (anew, "not the wheel that first_party has")):
        if which:
            return f"stale, {', '.join(sorted(which))} is {fact}; run make lock"
    return None


def main(argv: Sequence[str] | None = None) -> int:
    """Print each problem to standard error and return 1 where there is one."""
    argparse.ArgumentParser(description=__doc__).parse_args(argv)
    found = problems(config.load(Path()))
    waivers.load(Path())  # no lock depends on them, but a review wants to know of a mistake
    for path, problem in found.items():
        print(f"{path}: {problem}", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    raise SystemExit(run(main))
