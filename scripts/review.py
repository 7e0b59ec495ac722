"""A git revision, the checkout -> a review on standard output: what changed in locks/, packages.yaml and waivers.yaml.

It is Markdown for a comment, or JSON. The exit status is 0; with --strict it is 1 where something needs a decision.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from scripts import change, config, locks, review_changes, review_drift, review_text, revision, waivers
from scripts.change import Locks
from scripts.config import Config
from scripts.item import Item, Severity, ordered
from scripts.review_text import Review
from scripts.revision import Revision
from scripts.terminal import run
from scripts.why import chains

_PATHS = (str(locks.FOLDER), config.FILE, waivers.FILE)


class Sides(NamedTuple):
    """What is compared: the locks before and now, and the settings of now, with what is wrong with those."""

    base: Locks
    head: Locks
    settings: Config | None
    problems: list[str]


def _base_locks(found: Revision) -> Locks:
    return {key: change.parse(text) for path, text in found.texts.items() if (key := locks.key_of(path))}


def _head_locks() -> Locks:
    return {
        key: change.parse(path.read_text(encoding="utf-8", errors="replace")) for key, path in locks.existing().items()
    }


def _sides(found: Revision) -> Sides:
    base, head = _base_locks(found), _head_locks()
    try:
        return Sides(base, head, config.load(Path()), [])
    except SystemExit as error:
        return Sides(base, head, None, str(error).splitlines())


def _drift(sides: Sides, found: Revision) -> Iterator[Item]:
    yield from review_drift.unloaded(sides.problems)
    yield from review_drift.unreadable(sides.head)
    if sides.settings and not any(lock.problems for lock in sides.head.values()):
        yield from review_drift.stale(locks.problems(sides.settings))
    yield from review_drift.tools(sides.base, sides.head)
    yield from review_drift.targets(sides.base, sides.head)
    old = found.texts.get(PurePosixPath(config.FILE), "")
    new = Path(config.FILE)
    yield from review_drift.settings(old, new.read_text(encoding="utf-8", errors="replace") if new.is_file() else "")


def _changes(sides: Sides) -> Iterator[Item]:
    why = chains(sides.settings.sets, locks.existing()) if sides.settings else {}
    for one in change.compare(sides.base, sides.head):
        every = sides.base if one.kind in {"removed", "lost"} else sides.head
        item = review_changes.item(one, every, list(review_changes.basic_facts(one, why)))
        yield item._replace(hashes=tuple(review_changes.hash_lines(one, {})))


def main(argv: Sequence[str] | None = None) -> int:
    """Print the review; returns 1 where it is to be strict and something needs a decision."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--base", default="", help="git revision to compare with; default: where HEAD left its branch")
    parser.add_argument("--format", default="markdown", help="markdown or json")
    parser.add_argument("--strict", default="", help="not empty: exit with 1 where something needs a decision")
    args = parser.parse_args(argv)
    if args.format not in {"markdown", "json"}:
        raise SystemExit(f"FORMAT={args.format}: is neither markdown nor json; name one of the two")
    found = revision.read(args.base, *_PATHS)
    sides, moment = _sides(found), revision.head_moment(*_PATHS)
    items = ordered([*_drift(sides, found), *_changes(sides)])
    review = Review(found.commit, f"as of {moment:%Y-%m-%d}", items)
    print(review_text.markdown(review) if args.format == "markdown" else review_text.to_json(review), end="")
    return int(bool(args.strict) and any(one.severity == Severity.RED for one in items))


if __name__ == "__main__":
    raise SystemExit(run(main))
