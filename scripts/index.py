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

from scripts import judge, rolled_back
from scripts.build import build
from scripts.closure_check import Check
from scripts.config import Config
from scripts.gather import gather, read_approved
from scripts.locate import Wanted
from scripts.origin import locks_digest, origin_of
from scripts.publish import Made, Published, publish
from scripts.report import Report
from scripts.root import Root, opened
from scripts.stage import stage
from scripts.terminal import disk_errors, run
from scripts.variables import positive, switch


def _publish(root: Root, wanted: Wanted, args: argparse.Namespace, settings: Config, report: Report) -> Published:
    gathered = gather(root, wanted, settings, upstream=args.upstream, timeout=args.fetch_timeout)
    offer = judge.policy_findings(report, gathered.offer, settings, root, args.upstream)
    with tempfile.TemporaryDirectory() as folder:
        site = Path(folder) / "site"
        build(offer, site)
        if settings.closure != "off":
            judge.closure_findings(report, Check(offer, settings), settings, site, gathered.paths)
        report.close()
        origin = origin_of(stage(root, args.caddy))
        made = Made(offer, site, gathered.paths, gathered.moment, wanted, origin)
        published = publish(root, made, args.keep, args.signing_key)
    rolled_back.forget(root)
    return published


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
    parser.add_argument("--signing-key", default="", help="path of ssh-keygen's key that signs the release")
    parser.add_argument("--force", default="", help="1: publish again what was rolled back")
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
        rolled_back.refuse(root, locks_digest(), is_forced=switch("FORCE", args.force))
        with disk_errors(args.root, "make index"):
            published = _publish(root, wanted, args, settings, report)
    _report(root, published, wanted)
    return 0


if __name__ == "__main__":
    raise SystemExit(run(main))
