"""$(PYPI_ROOT) -> an older release, live again: verified, its files restored, switched in one rename.

Needs nothing but Python, and no network. The next run with the locks of what was taken back needs FORCE=1.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from scripts import manifest, rolled_back, variables
from scripts.files import read_json
from scripts.manifest import Fact, Manifest
from scripts.release import CHANGES, content_of, make_live, read_right
from scripts.rolled_back import ANY_LOCKS, Note
from scripts.root import Root, opened
from scripts.signature import verified
from scripts.terminal import disk_errors, run


def _before(live: Path) -> list[str]:
    """List what was live before, the last first, as what is live tells it: what was taken back is not there."""
    try:
        return [str(one["release"]) for one in read_json(live / CHANGES)[1:]]
    except (OSError, ValueError, TypeError, LookupError):
        return []


def _target(root: Root, live: Path, to: str) -> Path:
    """Return the release to go to: by its id, or the one that was live before."""
    others = [release for release in root.all_releases if release != live]
    wanted = [to] if to else _before(live)
    found = [root.releases / name for name in wanted if root.releases / name in others]
    if to:
        fact = f"TO: {to} is {'live already' if to == live.name else 'no release that is kept'}"
    else:
        fact = f"{root.web}: nothing is kept that was live before {live.name}"
    if not found:
        names = ", ".join(release.name for release in others)
        raise SystemExit(f"{fact}; {f'name one of {names} with TO' if names else 'there is no other'}")
    return found[0]


def _version(filename: str) -> str:
    """Return project and version, as a distribution's file name has them."""
    if filename.endswith(".whl"):
        name, version = filename.split("-")[:2]
    else:
        name, _, version = filename.removesuffix(".tar.gz").removesuffix(".zip").rpartition("-")
    return f"{name.replace('_', '-').lower()} {version}"


def _less(one: Mapping[str, Fact], other: Mapping[str, Fact]) -> str:
    """List what is in one pool and not in another: versions, and how many of its files where it is not all of them."""
    distributions = {(name, fact) for name, fact in one.items() if not name.endswith(".metadata")}
    every = Counter(_version(name) for name, _ in distributions)
    gone = Counter(_version(name) for name, _ in distributions - other.items())
    notes = {version: f" ({some} of {every[version]} files)" for version, some in gone.items() if some < every[version]}
    return ", ".join(f"{version}{notes.get(version, '')}" for version in sorted(gone))


def difference(old: Mapping[str, Fact], new: Mapping[str, Fact]) -> str:
    """Say what readers of one pool gain and lose with another."""
    sides = {"gain": _less(new, old), "lose": _less(old, new)}
    parts = [f"{verb} {versions}" for verb, versions in sides.items() if versions]
    return f"readers {'; '.join(parts)}" if parts else "readers find the same files, on other pages"


def _told(release: Path) -> Manifest | None:
    """Read a manifest; what is live may have none that can be read, and is left all the same."""
    try:
        return manifest.read(release)
    except ValueError:
        return None


def _note(root: Root, live: Path, target: Manifest) -> Note:
    """Return what is to be remembered: of several steps back, all that was taken back, but for what is wanted now."""
    told, before = _told(live), rolled_back.read(root) or Note("", (), ())
    ours = told.locks if told else ANY_LOCKS
    is_back = content_of(target.release) in before.contents  # it was taken back, and is wanted again
    locks = {ours, *before.locks} - ({target.locks} - (set() if is_back else {ours}))
    contents = {content_of(live.name), *before.contents} - {content_of(target.release)}
    return Note(live.name, sorted(locks), sorted(contents))


def roll_back(root: Root, to: str, keep: int, allowed: Path) -> str:
    """Make an older release live; returns what readers gain and lose.

    Raises SystemExit where there is none, or where it is not whole any more; what is live then still is.
    """
    live = root.published()
    release = _target(root, live, to)
    try:
        made, sources = read_right(root, release)
        verified(release, allowed)
    except ValueError as error:
        raise SystemExit(f"{error}\n{release.name}: nothing is changed; name another release with TO") from None
    told = _told(live)
    rolled_back.write(root, made.release, _note(root, live, made))
    make_live(root, made, release, sources, keep)
    return f"{root.path}: rolled back {live.name} to {made.release}: {difference(told.pool if told else {}, made.pool)}"


def main(argv: Sequence[str] | None = None) -> int:
    """Roll back; raises SystemExit with a sentence for the user where that cannot be done."""
    parser = variables.parser(__doc__, "root", "keep", "allowed-signers")
    parser.add_argument("--to", default="", help="a release's id; default: the one before what is live")
    args = parser.parse_args(argv)
    with opened(args.root) as root, disk_errors(args.root, "make rollback"):
        said = roll_back(root, args.to, args.keep, args.allowed_signers)
    print(said, file=sys.stderr)
    return 0


if __name__ == "__main__":
    raise SystemExit(run(main))
