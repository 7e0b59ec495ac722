"""locks/ -> $(PYPI_ROOT): publishes exactly what the locks name.

fetch → list → judge → build → check → publish, under the shared folder's lock. Nothing tracked is written, nothing is
resolved, no code of a package runs. Whatever goes wrong before the last step leaves what is published as it was.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from scripts import judge
from scripts.build import build
from scripts.closure_check import Check
from scripts.config import Config
from scripts.gather import gather, positive, read_approved
from scripts.locate import Wanted
from scripts.publish import Published, publish
from scripts.report import Report
from scripts.root import Root, opened
from scripts.stage import stage
from scripts.terminal import run


def _publish(root: Root, wanted: Wanted, args: argparse.Namespace, settings: Config, report: Report) -> Published:
    gathered = gather(root, wanted, settings, upstream=args.upstream, timeout=args.fetch_timeout)
    offer = judge.policy_findings(report, gathered.offer, settings, root, args.upstream)
    with tempfile.TemporaryDirectory() as folder:
        site = Path(folder) / "site"
        build(offer, site)
        if settings.closure != "off":
            judge.closure_findings(report, Check(offer, settings), settings, site, gathered.paths)
        report.close()
        stage(root, args.caddy)
        return publish(root, offer, site, gathered.paths, gathered.moment, args.keep, wanted)


def _report(root: Root, published: Published, wanted: Wanted) -> None:
    projects = len({pin.name for pin in wanted})
    files = len({pin.sha256 for pin in wanted})
    state = "published" if published.is_new else "nothing changed, still"
    print(
        f"{root.path}: {state} {published.release}: {projects} projects, {files} files "
        f"({published.added} added, {published.retired} retired)",
        file=sys.stderr,
    )


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, required=True, help="the shared folder")
    parser.add_argument("--upstream", default="", help="index URL in place of pip's index-url")
    parser.add_argument("--keep", default="5", help="how many releases stay")
    parser.add_argument("--fetch-timeout", default="3600", help="seconds that all downloads may take")
    parser.add_argument("--caddy", required=True, help="the server's binary, staged beside the release")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Publish; raises SystemExit with a sentence for the user where that cannot be done."""
    args = _arguments(argv)
    args.keep = positive("KEEP", args.keep)
    args.fetch_timeout = positive("FETCH_TIMEOUT", args.fetch_timeout)
    settings, wanted = read_approved()
    report = judge.open_report(settings)
    report.add(judge.private_names(wanted, settings))
    report.stop()
    with opened(args.root) as root:
        try:
            published = _publish(root, wanted, args, settings, report)
        except OSError as error:
            # Of two names, the second is the one that was written.
            where = error.filename2 or error.filename or args.root
            reason = error.strerror or str(error)
            raise SystemExit(f"{where}: {reason}; mend that, then run make index again") from None
    _report(root, published, wanted)
    return 0


if __name__ == "__main__":
    raise SystemExit(run(main))
