"""A git revision, the checkout -> a review on standard output: what changed in locks/, packages.yaml and waivers.yaml.

It is Markdown for a comment, or JSON. What the locks do not tell comes from $(PYPI_ROOT), which is only read, and from
the upstream; what cannot be had is `not checked`. The exit status is 0; with --strict it is 1 where something needs a
decision.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial

from scripts import review_sides, review_text, revision, variables
from scripts.item import Severity, ordered
from scripts.pip_environment import pip_environment
from scripts.review_items import change_items, drift_items
from scripts.review_sides import PATHS
from scripts.review_text import Review
from scripts.root import Root
from scripts.terminal import run
from scripts.upstream import Upstream


def main(argv: Sequence[str] | None = None) -> int:
    """Print the review; returns 1 where it is to be strict and something needs a decision."""
    parser = variables.parser(__doc__, "root", "upstream", "fetch-timeout")
    parser.add_argument("--base", default="", help="git revision to compare with; default: where HEAD left its branch")
    parser.add_argument("--format", default="markdown", help="markdown or json")
    strict = partial(variables.switch, "STRICT")
    parser.add_argument("--strict", type=strict, default="", help="1: exit with 1 where something needs a decision")
    args = parser.parse_args(argv)
    if args.format not in {"markdown", "json"}:
        raise SystemExit(f"FORMAT={args.format}: is neither markdown nor json; name one of the two")
    environment = pip_environment(args.upstream)
    sides = review_sides.read(revision.read(args.base, *PATHS), revision.head_moment(*PATHS))
    upstream = Upstream(environment, time.monotonic() + args.fetch_timeout)
    changes, reasons = change_items(sides, Root(args.root), upstream, environment)
    items = ordered([*drift_items(sides), *changes])
    as_of = f"Ages are those on the day when a lock was made, or else on {sides.as_of:%Y-%m-%d}."
    review = Review(sides.base_commit, as_of, items, reasons)
    print(review_text.markdown(review) if args.format == "markdown" else review_text.to_json(review), end="")
    return int(args.strict and any(one.severity == Severity.RED for one in items))


if __name__ == "__main__":
    raise SystemExit(run(main))
