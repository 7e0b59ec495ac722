"""locks/ -> exit status: says offline, from the digests in them, which locks are stale or missing."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from scripts import config, locks, waivers
from scripts.terminal import run


def main(argv: Sequence[str] | None = None) -> int:
    """Print each problem to standard error and return 1 where there is one."""
    argparse.ArgumentParser(description=__doc__).parse_args(argv)
    problems = locks.problems(config.load(Path()))
    waivers.load(Path())  # no lock depends on them, but a review wants to know of a mistake
    for path, problem in problems.items():
        print(f"{path}: {problem}", file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    raise SystemExit(run(main))
