"""Groups of work -> docs/benchmarks.md and .svg: measures each, prints a line a row.

Every group writes the document anew, with what is measured so far; where only some groups were asked for, nothing is
written, since the table is of one machine in one go.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from bench import (
    closure_group,
    fetch_group,
    index_group,
    lock_group,
    review_group,
    serve_group,
    wire_group,
)
from bench.document import write
from bench.measure import FailedError
from bench.place import Place
from bench.table import Row, line

GROUPS: Mapping[str, Callable[[Place], Iterator[Row]]] = {
    "index": index_group.rows,
    "lock": lock_group.rows,
    "fetch": fetch_group.rows,
    "serve": serve_group.rows,
    "wire": wire_group.rows,
    "closure": closure_group.rows,
    "review": review_group.rows,
}


def measured(group: str, place: Place) -> Iterator[Row]:
    """Yield a group's rows as they are done; where it cannot even begin, a row says so."""
    try:
        yield from GROUPS[group](place)
    except (FailedError, OSError, SystemExit) as error:
        yield Row(group, "", failure=str(error))


def _groups(text: str) -> list[str]:
    chosen = text.replace(",", " ").split() or list(GROUPS)
    if unknown := [name for name in chosen if name not in GROUPS]:
        raise SystemExit(f"BENCH: there is no {unknown[0]}; name some of {', '.join(GROUPS)}, or leave it out")
    return chosen


def _sizes(text: str) -> list[int]:
    words = text.replace(",", " ").split()
    if not words or not all(word.isdecimal() and int(word) >= 100 for word in words):
        raise SystemExit(f"BENCH_SIZES: {text!r} is no list of numbers of files from 100 on; write 1000,10000")
    return sorted(map(int, words))


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--groups", default="", help="which groups, with commas between; default: all")
    parser.add_argument("--sizes", default="1000,10000,100000", help="numbers of files")
    parser.add_argument("--caddy", type=Path, required=True, help="the server's binary")
    parser.add_argument("--peers", type=Path, required=True, help="where peers are installed, and stay")
    args = parser.parse_args(argv)
    groups, sizes = _groups(args.groups), _sizes(args.sizes)
    rows: dict[str, list[Row]] = {}
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        place = Place(Path(folder), args.peers.absolute(), args.caddy.absolute(), sizes, {}, {})
        for group in groups:
            for one in measured(group, place):
                rows.setdefault(group, []).append(one)
                print(line(one), flush=True)
            if groups == list(GROUPS):
                write(Path("docs"), rows, place.curves, place.profiles)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
