"""locks/ -> $(PYPI_ROOT): publishes exactly what the locks name.

fetch → list → build → publish, under the shared folder's lock. Nothing tracked is written, nothing is resolved, no code
of a package runs. Whatever goes wrong before the last step leaves what is published as it was.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from scripts import config, locks
from scripts.build import build
from scripts.config import Config
from scripts.distribution import Distribution
from scripts.facts import Memory, time_text
from scripts.fetch import Wanted, fetch
from scripts.list_files import File, list_files
from scripts.locks import Key, Pin
from scripts.offer import Offer
from scripts.publish import Published, next_moment, publish
from scripts.root import Root, opened
from scripts.stage import stage
from scripts.terminal import run
from scripts.why import chains


def read_wanted() -> Wanted:
    """Return each pin of each lock, with the locks that name it."""
    wanted: dict[Pin, list[Key]] = {}
    for key, path in locks.existing().items():
        for pin in locks.read_pins(path):
            wanted.setdefault(pin, []).append(key)
    return wanted


def _publish(root: Root, wanted: Wanted, args: argparse.Namespace, settings: Config) -> Published:
    found = fetch(root, wanted, settings.allow_sdists, upstream_url=args.upstream, timeout=args.fetch_timeout)
    moment = next_moment(root)
    offer = _offer(root, list_files(root, found, wanted, time_text(moment)), settings)
    with tempfile.TemporaryDirectory() as folder:
        site = Path(folder) / "site"
        build(offer, site)
        stage(root, args.caddy)
        paths = {pin.sha256: path for pin, path in found.items()}
        return publish(root, offer, site, paths, moment, args.keep, wanted)


def _offer(root: Root, files: Sequence[File], settings: Config) -> Offer:
    memory = Memory(root)
    by_project: dict[str, list[Distribution]] = {}
    for file in files:
        by_project.setdefault(file.distribution.name, []).append(file.distribution)
    statuses = {name: memory.status(name, of_project) for name, of_project in by_project.items()}
    why = chains(settings.sets, locks.existing())
    return Offer(files, statuses, settings.denied, why, settings.request_url)


def _refuse_denied(wanted: Wanted, denied: Mapping[str, str]) -> None:
    """Raise SystemExit where a lock holds what is denied: a name that was denied after it was locked, or a need."""
    lines = [
        f"{key.path}: {pin} is denied in {config.FILE} ({denied[pin.name]}); remove what needs it, or its denial"
        for pin, keys in wanted.items()
        if pin.name in denied
        for key in keys
    ]
    if lines:
        raise SystemExit("\n".join(sorted(lines)))


def _report(root: Root, published: Published, wanted: Wanted) -> None:
    projects = len({pin.name for pin in wanted})
    files = len({pin.sha256 for pin in wanted})
    state = "published" if published.is_new else "nothing changed, still"
    print(
        f"{root.path}: {state} {published.release}: {projects} projects, {files} files "
        f"({published.added} added, {published.retired} retired)",
        file=sys.stderr,
    )


def positive(name: str, text: str) -> int:
    """Return the number that a variable of make holds."""
    if not re.fullmatch("[1-9][0-9]{0,8}", text):
        raise SystemExit(f"{name}: {text!r} is not a whole number above 0; write one, or leave {name} out")
    return int(text)


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
    settings = config.load(Path())
    if problems := locks.problems(settings):
        raise SystemExit("\n".join(f"{path}: {problem}" for path, problem in problems.items()))
    wanted = read_wanted()
    _refuse_denied(wanted, settings.denied)
    with opened(args.root) as root:
        try:
            published = _publish(root, wanted, args, settings)
        except OSError as error:
            # Of two names, the second is the one that was written.
            where = error.filename2 or error.filename or args.root
            reason = error.strerror or str(error)
            raise SystemExit(f"{where}: {reason}; mend that, then run make index again") from None
    _report(root, published, wanted)
    return 0


if __name__ == "__main__":
    raise SystemExit(run(main))
