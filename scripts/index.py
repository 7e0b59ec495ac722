"""locks/ -> $(PYPI_ROOT): publishes exactly what the locks name.

Nothing tracked is written, nothing is resolved, no code of a package runs. Where neither the checkout nor the shared
folder changed since the last run, that is all there is to find out (scripts/last_run.py).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from scripts import last_run
from scripts.last_run import Record
from scripts.root import opened
from scripts.terminal import run
from scripts.texts import printable_lines
from scripts.variables import positive, signers, switch


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
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, required=True, help="the shared folder")
    parser.add_argument("--upstream", default="", help="index URL in place of pip's index-url")
    parser.add_argument("--keep", default="5", help="how many releases stay")
    parser.add_argument("--fetch-timeout", default="3600", help="seconds that all downloads may take")
    parser.add_argument("--signing-key", default="", help="path of ssh-keygen's key that signs the release")
    parser.add_argument("--allowed-signers", default="", help="who may sign, if it is there: ssh-keygen(1)")
    parser.add_argument("--force", default="", help="1: publish again what was rolled back")
    parser.add_argument("--caddy", required=True, help="the server's binary, staged beside the release")
    args = parser.parse_args(argv)
    args.keep = positive("KEEP", args.keep)
    args.fetch_timeout = positive("FETCH_TIMEOUT", args.fetch_timeout)
    args.force = switch("FORCE", args.force)
    args.allowed_signers = signers(args.allowed_signers)
    return args


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
