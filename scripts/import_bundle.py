"""A bundle -> $(PYPI_ROOT)/web: verified from the signature down to each byte, then published as `make index` does.

Nothing of a bundle is believed before the signature of its manifest is verified, and no more of it is written than the
manifest lists. Needs nothing but Python, ssh-keygen, and a file that says who may sign.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, NamedTuple

from scripts import container, manifest, pool, rolled_back, signature, variables
from scripts.container import Member
from scripts.files import is_folder, write_synced
from scripts.manifest import BIN, ID_FILE, LINK, OWN, PACKAGES, Fact, Manifest, is_right
from scripts.pool import Sources
from scripts.release import POOL, make_live, newest_generation, problems
from scripts.root import Root, opened
from scripts.stage import put
from scripts.terminal import disk_errors, run
from scripts.texts import few

_MOST_BYTES = 2**28  # of a manifest
_AGAIN = "bring the bundle over again"


class Signed(NamedTuple):
    """A manifest, its bytes and those of its signature, and who signed it."""

    made: Manifest
    data: bytes
    signature: bytes
    who: str


def _head(tar: IO[bytes], name: str, most: int) -> bytes:
    """Read one of the two files that a bundle begins with."""
    member = container.next_member(tar)
    if member is None or member.name != name or member.size > most:
        raise ValueError(f"does not have {name} in its place; {_AGAIN}")
    return b"".join(container.chunks(tar, member))


def _signed(tar: IO[bytes], allowed: Path) -> Signed:
    data = _head(tar, manifest.FILE, _MOST_BYTES)
    signed = _head(tar, manifest.SIGNATURE, signature.MOST_BYTES)
    who = signature.signer(data, signed, allowed)
    return Signed(manifest.parse(data), data, signed, who)


def _save(tar: IO[bytes], member: Member, place: Path) -> str:
    """Write one content to a file, synced; returns its sha256."""
    digest = hashlib.sha256()
    with place.open("xb") as file:
        for chunk in container.chunks(tar, member):
            digest.update(chunk)
            file.write(chunk)
        file.flush()
        os.fsync(file.fileno())
    return digest.hexdigest()


def _unpack(tar: IO[bytes], made: Manifest, folder: Path) -> None:
    """Write what a bundle holds to a folder, each content under its sha256, which is its name in the bundle."""
    paths = {fact.sha256: path for path, fact in made.named().items()}
    sizes = {fact.sha256: fact.size for fact in made.named().values()}
    while member := container.next_member(tar):
        if member.name not in sizes:
            raise ValueError(f"{member.name} is not in the manifest; {_AGAIN}")
        if (folder / member.name).exists():
            raise ValueError(f"{paths[member.name]} comes twice; {_AGAIN}")
        if member.size != sizes[member.name] or _save(tar, member, folder / member.name) != member.name:
            raise ValueError(f"{paths[member.name]} is not what the manifest lists; {_AGAIN}")


def _held(root: Root, path: str, fact: Fact) -> Path | None:
    """Find what this side has already."""
    if path.startswith(PACKAGES):
        return pool.find(root, path.removeprefix(PACKAGES), fact)
    above = [root.path] if path.startswith(BIN) else reversed(root.all_releases)
    return next((place for folder in above if is_right(place := folder / path, fact)), None)


def _places(root: Root, made: Manifest, folder: Path) -> dict[str, Path]:
    """Return where each file of a release is; raises ValueError with the names of those that are nowhere."""
    named = made.named()
    held = {path: _held(root, path, fact) for path, fact in named.items()}
    arrived = {path: folder / fact.sha256 for path, fact in named.items() if (folder / fact.sha256).exists()}
    # What is in its place already stays there.
    found = arrived | {path: place for path, place in held.items() if place}
    if lost := sorted(named.keys() - found.keys()):
        since = f"SINCE={root.live.name}" if root.live else "no SINCE, since nothing is published here"
        raise ValueError(f"lacks {few(lost, 5)}; have it made with {since}")
    return found


def _check_generation(root: Root, made: Manifest, *, is_forced: bool) -> None:
    newest = newest_generation(root)
    if made.generation > newest or is_forced or (root.live and root.live.name == made.release):
        return
    fact = f"{made.release} is of generation {made.generation}, and {newest} was published here"
    if root.releases / made.release in root.all_releases:
        raise ValueError(f"{fact}; make rollback TO={made.release} goes back to it")
    raise ValueError(f"{fact}; FORCE=1 takes an older one")


def _site(signed: Signed, places: Mapping[str, Path], folder: Path) -> Path:
    """Lay the release's pages out in a folder, with manifest and signature."""
    for path in signed.made.pages:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(places[path], folder / path)
    for name, data in ((manifest.FILE, signed.data), (manifest.SIGNATURE, signed.signature)):
        (folder / name).write_bytes(data)
    return folder


def _is_whole(release: Path, signed: Signed) -> bool:
    heads = {manifest.FILE: signed.data, manifest.SIGNATURE: signed.signature}
    is_same = all(is_right(release / name, manifest.fact_of(data)) for name, data in heads.items())
    return is_same and next(problems(release, signed.made), None) is None


def _mend(root: Root, made: Manifest, site: Path) -> Path:
    """Make a release that is here what its manifest says, page by page, from a whole one; returns its folder."""
    release = root.releases / made.release
    wrong = [path for path, _ in problems(release, made)]
    for path in (path for path in wrong if path not in made.pages and path not in OWN):
        pool.make_way(root, release / path)
    for path in (path for path in wrong if path in made.pages):
        (release / path).parent.mkdir(parents=True, exist_ok=True)
        if is_folder(release / path):
            pool.make_way(root, release / path)
        write_synced(release / path, (site / path).read_bytes())
    for name in (manifest.FILE, manifest.SIGNATURE):
        if not is_right(release / name, manifest.fact_of(site / name)):
            write_synced(release / name, (site / name).read_bytes())
    write_synced(release / ID_FILE, f"{made.release}\n".encode())
    if LINK in wrong:
        pool.make_way(root, release / LINK)
        (release / LINK).symlink_to(POOL)
    return release


def _ready(root: Root, signed: Signed, site: Path) -> Path:
    """Return the folder of the release's pages: the release itself if it is here already, mended where it has to be."""
    release = root.releases / signed.made.release
    if not is_folder(release):
        pool.make_way(root, release)
        return site
    return release if _is_whole(release, signed) else _mend(root, signed.made, site)


def _sources(made: Manifest, places: Mapping[str, Path]) -> Sources:
    """Return where the files of the pool are; a sidecar may be the same for several, so that it is not moved."""
    found = {name: places[f"{PACKAGES}{name}"] for name in made.pool}
    return {name: place.read_bytes if name.endswith(".metadata") else place for name, place in found.items()}


def _take_in(root: Root, tar: IO[bytes], allowed: Path, keep: int, *, is_forced: bool) -> str:
    signed = _signed(tar, allowed)
    made = signed.made
    _check_generation(root, made, is_forced=is_forced)
    folder = root.scratch / "bundle"
    folder.mkdir()
    _unpack(tar, made, folder)
    places = _places(root, made, folder)
    was_live = root.live and root.live.name == made.release and _is_whole(root.live, signed)
    site = _ready(root, signed, _site(signed, places, root.scratch / "site"))
    done = make_live(root, made, site, _sources(made, places), keep)
    put(root, {name: places[f"{BIN}{name}"] for name in made.programs})
    rolled_back.forget(root)
    state = "nothing changed, still" if was_live and not (done.added or done.retired) else "imported"
    told = f"{state} {made.release}, generation {made.generation}, signed by {signed.who}"
    holds = f"{made.projects} projects, {len(made.distributions)} files"
    return f"{root.path}: {told}: {holds} ({done.added} added, {done.retired} retired)"


def main(argv: Sequence[str] | None = None) -> int:
    """Import; raises SystemExit with a sentence for the user where that cannot be done."""
    parser = variables.parser(__doc__, "root", "keep", "force")
    parser.add_argument("--bundle", default="", help="the file that make bundle wrote")
    parser.add_argument("--allowed-signers", type=Path, required=True, help="who may have signed: ssh-keygen(1)")
    args = parser.parse_args(argv)
    if not args.bundle or not Path(args.bundle).is_file():
        fact = f"{args.bundle} is no file" if args.bundle else "is not set"
        raise SystemExit(f"BUNDLE: {fact}; name the file that make bundle wrote")
    if not args.allowed_signers.is_file():
        raise SystemExit(f"ALLOWED_SIGNERS: {args.allowed_signers} is no file; say in it who signs, see ssh-keygen(1)")
    with opened(args.root) as root, disk_errors(args.root, "make import"), Path(args.bundle).open("rb") as tar:
        try:
            said = _take_in(root, tar, args.allowed_signers, args.keep, is_forced=args.force)
        except ValueError as error:
            raise SystemExit(f"{args.bundle}: nothing is imported: {error}") from None
    print(said, file=sys.stderr)
    return 0


if __name__ == "__main__":
    raise SystemExit(run(main))
