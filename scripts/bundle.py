"""$(PYPI_ROOT) -> one file: the live release, for an index that no network reaches.

A tar: the manifest, its signature, and each content that the manifest names and the other side lacks, once, under its
sha256 and sorted by it. Times and owners in it are always the same, so that equal releases make equal bundles. Needs
nothing but Python.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

from scripts import container, manifest, variables
from scripts.files import remove
from scripts.manifest import BIN, PACKAGES, Manifest, is_right
from scripts.release import moment_of, read_right
from scripts.root import Root, opened_to_read
from scripts.signature import is_signed
from scripts.terminal import disk_errors, run


def _live(root: Root) -> Path:
    live = root.published()
    if not is_signed((live / manifest.FILE).read_bytes(), live / manifest.SIGNATURE):
        raise SystemExit(f"{live}: is not signed, and nobody would import it; run make index with SIGNING_KEY")
    return live


def _since(root: Root, live: Path, since: str) -> set[str]:
    """Return what the other side has: sha256 of all that is in a release of ours."""
    if not since:
        return set()
    release, others = root.releases / since, [one for one in root.all_releases if one != live]
    if release not in others:
        fact = "is live here, and there is nothing to bring" if since == live.name else "is no release that is kept"
        names = ", ".join(one.name for one in others) or "none but what is live"
        raise SystemExit(f"SINCE: {since} {fact}; name what is live on the other side, if it is kept here ({names})")
    try:
        return {fact.sha256 for fact in manifest.read(release).named().values()}
    except ValueError as error:
        raise SystemExit(f"{error}; leave SINCE out") from None


def _programs(root: Root, made: Manifest) -> dict[str, Path]:
    places = {name: root.bin / name for name in made.programs}
    if wrong := [name for name, place in places.items() if not is_right(place, made.programs[name])]:
        raise SystemExit(f"{root.bin}: {', '.join(wrong)}: not what {made.release} was made with; run make index")
    return {f"{BIN}{name}": place for name, place in places.items()}


def _blobs(root: Root, live: Path, since: str) -> dict[str, Path]:
    """Map sha256 to a file, sorted, of what the other side lacks."""
    known = _since(root, live, since)
    try:
        made, pool = read_right(root, live)
    except ValueError as error:
        raise SystemExit(f"{error}\n{live.name}: is not whole; run make index") from None
    pages = {path: live / path for path in made.pages}
    found = {**pages, **{f"{PACKAGES}{name}": path for name, path in pool.items()}, **_programs(root, made)}
    lacking = {fact.sha256: found[path] for path, fact in made.named().items() if fact.sha256 not in known}
    return dict(sorted(lacking.items()))


def _append(tar: IO[bytes], name: str, path: Path, seconds: int) -> str:
    # A link that somebody puts there now would have us bring over what it leads to.
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW), "rb") as content:
        return container.write(tar, name, content, os.fstat(content.fileno()).st_size, seconds)


def _write(place: Path, live: Path, blobs: Mapping[str, Path], seconds: int) -> None:
    temporary = place.with_name(f".{place.name}.new")
    remove(temporary)
    try:
        with temporary.open("xb") as tar:
            for name in (manifest.FILE, manifest.SIGNATURE):
                _append(tar, name, live / name, seconds)
            for sha256, path in blobs.items():
                if _append(tar, sha256, path, seconds) != sha256:
                    raise SystemExit(f"{path}: was changed meanwhile; run make index, then make bundle again")
            container.end(tar)
            tar.flush()
            os.fsync(tar.fileno())
        temporary.replace(place)
    except BaseException:
        with suppress(OSError):
            remove(temporary)
        raise


def _place(given: str, live: Path, since: str) -> Path:
    place = Path(given or f"{live.name}{f'-since-{since}' if since else ''}.bundle")
    if not place.parent.is_dir() or place.is_dir():
        raise SystemExit(f"BUNDLE: {place} cannot be a file, {place.parent} must be a folder; name another")
    return place


def main(argv: Sequence[str] | None = None) -> int:
    """Write the bundle; raises SystemExit with a sentence for the user where that cannot be done."""
    parser = variables.parser(__doc__, "root")
    parser.add_argument("--bundle", default="", help="the file to write; default: <id>.bundle")
    parser.add_argument("--since", default="", help="a release that the other side has")
    args = parser.parse_args(argv)
    with opened_to_read(args.root) as root:
        live = _live(root)
        place, blobs = _place(args.bundle, live, args.since), _blobs(root, live, args.since)
        with disk_errors(place, "make bundle"):
            _write(place, live, blobs, int(moment_of(live).timestamp()))
    only = f", only what {args.since} has not" if args.since else ""
    print(f"{place}: {live.name}, {place.stat().st_size / 1e6:.1f} MB{only}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    raise SystemExit(run(main))
