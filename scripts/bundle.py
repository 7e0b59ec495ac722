"""$(PYPI_ROOT) -> one file: the live release, for an index that no network reaches.

A tar of plain files: the manifest, its signature, and all that the manifest names and the other side lacks, sorted.
Times and owners in it are the same always, so that equal releases make equal bundles. Needs nothing but Python.
"""

from __future__ import annotations

import argparse
import os
import sys
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from scripts import manifest
from scripts.manifest import BIN, PACKAGES, Manifest, is_right
from scripts.release import moment_of, read_right
from scripts.root import Root, is_file, opened_to_read, remove
from scripts.terminal import disk_errors, run


def _live(root: Root) -> Path:
    if root.live is None:
        raise SystemExit(f"{root.web}: nothing is published there; run make index")
    if not is_file(root.live / manifest.SIGNATURE):
        raise SystemExit(f"{root.live}: is not signed, and nobody would import it; run make index with SIGNING_KEY")
    return root.live


def _since(root: Root, since: str) -> set[tuple[str, object]]:
    """Return what the other side has: path and content of all that is in a release of ours."""
    if not since:
        return set()
    release = root.releases / since
    if release not in root.all_releases:
        names = ", ".join(one.name for one in root.all_releases)
        raise SystemExit(f"SINCE: {since} is no release that is kept; there is {names}, or leave SINCE out")
    try:
        return set(manifest.read(release).named().items())
    except ValueError as error:
        raise SystemExit(f"{error}; leave SINCE out") from None


def _programs(root: Root, made: Manifest) -> dict[str, Path]:
    places = {name: root.bin / name for name in made.programs}
    if wrong := [name for name, place in places.items() if not is_right(place, made.programs[name])]:
        raise SystemExit(f"{root.bin}: {', '.join(wrong)}: not what {made.release} was made with; run make index")
    return {f"{BIN}{name}": place for name, place in places.items()}


def _members(root: Root, live: Path, since: str) -> dict[str, Path]:
    """Map the name in the bundle to the file, in the order of the bundle."""
    known = _since(root, since)
    try:
        made, pool = read_right(root, live)
    except ValueError as error:
        raise SystemExit(f"{error}\n{live.name}: is not whole; run make index") from None
    pages = {path: live / path for path in made.pages}
    found = {**pages, **{f"{PACKAGES}{name}": path for name, path in pool.items()}, **_programs(root, made)}
    lacking = sorted(dict(made.named().items() - known))
    head = (manifest.FILE, manifest.SIGNATURE)
    return {**{name: live / name for name in head}, **{name: found[name] for name in lacking}}


def _write(place: Path, members: Mapping[str, Path], seconds: int) -> None:
    temporary = place.with_name(f".{place.name}.new")
    remove(temporary)
    with temporary.open("xb") as file:
        with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar:
            for name, path in members.items():
                member = tarfile.TarInfo(name)
                member.size, member.mtime = path.stat().st_size, seconds
                with path.open("rb") as content:
                    tar.addfile(member, content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(place)


def main(argv: Sequence[str] | None = None) -> int:
    """Write the bundle; raises SystemExit with a sentence for the user where that cannot be done."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, required=True, help="the shared folder")
    parser.add_argument("--bundle", default="", help="the file to write; default: <id>.bundle")
    parser.add_argument("--since", default="", help="a release that the other side has")
    args = parser.parse_args(argv)
    with opened_to_read(args.root) as root, disk_errors(args.root, "make bundle"):
        live = _live(root)
        place, members = Path(args.bundle or f"{live.name}.bundle"), _members(root, live, args.since)
        _write(place, members, int(moment_of(live).timestamp()))
        size = place.stat().st_size / 1e6
    print(f"{place}: {live.name}, {len(members)} files, {size:.1f} MB", file=sys.stderr)
    return 0


if __name__ == "__main__":
    raise SystemExit(run(main))
