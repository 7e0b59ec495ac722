"""A bundle -> $(PYPI_ROOT)/web: verified from the signature down to each byte, then published as `make index` does.

Nothing of a bundle is believed before the signature of its manifest is verified, and no more of it is written than the
manifest lists. Needs nothing but Python, ssh-keygen, and a file that says who may sign.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import os
import shutil
import sys
import tarfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from scripts import manifest, pool, rolled_back
from scripts.manifest import BIN, PACKAGES, Fact, Manifest, is_right
from scripts.release import make_live, newest_generation, problems
from scripts.root import Root, opened
from scripts.signature import signer
from scripts.stage import put
from scripts.terminal import disk_errors, run
from scripts.variables import positive, switch

_MOST_BYTES = 2**30  # of a manifest; and of what a tar's own headers may have us read at once
_CHUNK = 2**20
_AGAIN = "bring the bundle over again"


class _Bounded(io.FileIO):
    """A file of which no more is read at once than there should be reason to, whatever its headers say."""

    def read(self, size: int | None = -1, /) -> bytes:
        """Read up to size bytes; raises TarError where that is no reasonable number."""
        if size is None or not 0 <= size <= _MOST_BYTES:
            raise tarfile.ReadError(f"a header speaks of {size} bytes; {_AGAIN}")
        return super().read(size) or b""


@contextmanager
def _opened_bundle(path: Path) -> Iterator[tarfile.TarFile]:
    try:
        with _Bounded(path) as file, tarfile.open(fileobj=file, mode="r:") as tar:
            yield tar
    except (tarfile.TarError, ValueError, EOFError, OverflowError) as error:
        raise SystemExit(f"{path}: nothing is imported: {error}") from None


def _content(tar: tarfile.TarFile, member: tarfile.TarInfo) -> IO[bytes]:
    content = tar.extractfile(member) if member.isreg() else None
    if content is None:
        raise ValueError(f"{member.name} is no plain file; {_AGAIN}")
    return content


def _head(tar: tarfile.TarFile, name: str) -> bytes:
    """Read one of the two files that a bundle begins with."""
    member = tar.next()
    if member is None or member.name != name or member.size > _MOST_BYTES:
        raise ValueError(f"does not have {name} in its place; {_AGAIN}")
    return _content(tar, member).read()


def _members(tar: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    while member := tar.next():
        yield member


def _save(tar: tarfile.TarFile, member: tarfile.TarInfo, fact: Fact, place: Path) -> None:
    """Write one file of a bundle; raises ValueError where it is not what the manifest lists."""
    place.parent.mkdir(parents=True, exist_ok=True)
    digest, content = hashlib.sha256(), _content(tar, member)
    with place.open("xb") as file:
        while chunk := content.read(_CHUNK):
            digest.update(chunk)
            file.write(chunk)
        file.flush()
        os.fsync(file.fileno())
    if (digest.hexdigest(), member.size) != fact:
        raise ValueError(f"{member.name} is not what the manifest lists; {_AGAIN}")


def _unpack(tar: tarfile.TarFile, made: Manifest, folder: Path) -> set[str]:
    """Write what a bundle holds to a folder; returns the paths."""
    named, arrived = made.named(), set[str]()
    for member in _members(tar):
        if member.name not in named or member.name in arrived:
            raise ValueError(f"{member.name} is not in the manifest, or comes twice; {_AGAIN}")
        if member.size != named[member.name].size:
            raise ValueError(f"{member.name} is not what the manifest lists; {_AGAIN}")
        _save(tar, member, named[member.name], folder / member.name)
        arrived.add(member.name)
    return arrived


def _held(root: Root, path: str, fact: Fact) -> Path | None:
    """Find what a bundle leaves out, since this side has it."""
    if path.startswith(PACKAGES):
        return pool.find(root, path.removeprefix(PACKAGES), fact)
    above = [root.path] if path.startswith(BIN) else reversed(root.all_releases)
    return next((place for folder in above if is_right(place := folder / path, fact)), None)


def _complete(root: Root, made: Manifest, folder: Path, arrived: Iterable[str]) -> dict[str, Path]:
    """Return where each file of a release is; raises ValueError with the names of those that are nowhere."""
    lacking = {path: fact for path, fact in made.named().items() if path not in arrived}
    held = {path: place for path, fact in lacking.items() if (place := _held(root, path, fact))}
    if lost := sorted(lacking.keys() - held.keys()):
        few = f"{', '.join(lost[:5])}{f' and {len(lost) - 5} more' if len(lost) > 5 else ''}"
        raise ValueError(f"lacks {few}, which is not held here; have it made without SINCE, or SINCE what is live here")
    return held | {path: folder / path for path in arrived}


def _check_generation(root: Root, made: Manifest, *, is_forced: bool) -> None:
    newest = newest_generation(root)
    if made.generation <= newest and not is_forced:
        fact = f"{made.release} is of generation {made.generation}, and {newest} was published here"
        raise ValueError(f"{fact}; FORCE=1 takes an older one")


def _site(root: Root, made: Manifest, places: Mapping[str, Path], folder: Path) -> Path:
    """Return the folder with the release's pages: a site, or the release itself where it is here already."""
    release = root.releases / made.release
    if release.exists():
        if wrong := next(problems(release, made), None):
            raise ValueError(f"{release / wrong[0]} is there already, and {wrong[1]}; remove {release}")
        return release
    for path in made.pages:
        if places[path] != folder / path:
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(places[path], folder / path)
    return folder


def _take_in(root: Root, tar: tarfile.TarFile, allowed: Path, keep: int, *, is_forced: bool) -> str:
    data, signature = _head(tar, manifest.FILE), _head(tar, manifest.SIGNATURE)
    who = signer(data, signature, allowed)
    made = manifest.parse(data)
    if root.live and root.live.name == made.release and (root.live / manifest.FILE).read_bytes() == data:
        return f"{root.path}: nothing changed, still {made.release}"
    _check_generation(root, made, is_forced=is_forced)
    folder = root.scratch / "bundle"
    folder.mkdir()
    places = _complete(root, made, folder, _unpack(tar, made, folder))
    for name, head in ((manifest.FILE, data), (manifest.SIGNATURE, signature)):
        (folder / name).write_bytes(head)
    site = _site(root, made, places, folder)
    put(root, {name: places[f"{BIN}{name}"] for name in made.programs})
    counts = make_live(root, made, site, {name: places[f"{PACKAGES}{name}"] for name in made.pool}, keep)
    rolled_back.forget(root)
    told = f"imported {made.release}, generation {made.generation}, signed by {who}"
    holds = f"{made.projects} projects, {len(made.distributions)} files"
    return f"{root.path}: {told}: {holds} ({counts.added} added, {counts.retired} retired)"


def main(argv: Sequence[str] | None = None) -> int:
    """Import; raises SystemExit with a sentence for the user where that cannot be done."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, required=True, help="the shared folder")
    parser.add_argument("--bundle", default="", help="the file that make bundle wrote")
    parser.add_argument("--allowed-signers", type=Path, required=True, help="who may have signed: ssh-keygen(1)")
    parser.add_argument("--keep", default="5", help="how many releases stay")
    parser.add_argument("--force", default="", help="1: import an older release than was published here")
    args = parser.parse_args(argv)
    keep, is_forced = positive("KEEP", args.keep), switch("FORCE", args.force)
    bundle = Path(args.bundle)
    if not bundle.is_file():
        raise SystemExit(f"BUNDLE: {args.bundle or 'nothing'} is no file; name the one that make bundle wrote")
    if not args.allowed_signers.is_file():
        raise SystemExit(f"ALLOWED_SIGNERS: {args.allowed_signers} is no file; say in it who signs, see ssh-keygen(1)")
    with opened(args.root) as root, disk_errors(args.root, "make import"), _opened_bundle(bundle) as tar:
        said = _take_in(root, tar, args.allowed_signers, keep, is_forced=is_forced)
    print(said, file=sys.stderr)
    return 0


if __name__ == "__main__":
    raise SystemExit(run(main))
