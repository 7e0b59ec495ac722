"""locks/ -> $(PYPI_ROOT): publishes exactly what the locks name.

Nothing tracked is written, nothing is resolved, no code of a package runs. Where neither the checkout nor the shared
folder changed since the last run, that is all there is to find out (scripts/last_run.py).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from scripts import last_run, variables
from scripts.last_run import Record
from scripts.root import opened
from scripts.terminal import run
from scripts.texts import printable_lines


def _unchanged(args: argparse.Namespace) -> Record | None:
    """Return the last run's record, if a run would do nothing now, and say nothing else."""
    record = last_run.read(args.root)
    if record is None:
        return None
    with opened(args.root) as root:
        # Another run may have ended since.
        record = last_run.read(root.path)
        return record if record and last_run.still_holds(root, args, record) else None


def _say(*lines: object) -> None:
    # A record may quote a package, and whoever can write to the shared folder can write one.
    for line in lines:
        print(printable_lines(str(line)), file=sys.stderr)


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = variables.parser(__doc__, "root", "upstream", "fetch-timeout", "keep", "force", "allowed-signers")
    parser.add_argument("--signing-key", default="", help="path of ssh-keygen's key that signs the release")
    parser.add_argument("--caddy", required=True, help="the server's binary, staged beside the release")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Publish; raises SystemExit with a sentence for the user where that cannot be done."""
    args = _arguments(argv)
    if record := _unchanged(args):
        done = f"nothing changed, still {record.release}: {record.holds} (0 added, 0 retired)"
        _say(*record.said, f"{args.root}: {done}")
        return 0
    from scripts import whole_run  # takes longer to import than all of the above to run

    _say(f"{args.root}: {whole_run.publish_all(args)}")
    return 0


if __name__ == "__main__":
    raise SystemExit(run(main))
