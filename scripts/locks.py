"""locks/<set>/<target>.txt -> pins: the format of a lock, where it stands, and whether it is up to date.

A lock is what pip-compile writes, below a header of our own:

    # Written by `make lock`. Change the requirements or packages.yaml and run it again.
    # set: requirements
    # target: 3.12-win_amd64
    # tools: pip-compile 7.6.2, pip 26.3
    # inputs: sha256:<digest of the requirements and settings that led to it>
    # pins: sha256:<digest of all that follows>
    # uploaded-prior-to: 2026-11-11T09:30:00+00:00

The last line stands where `min_age_days` is on: what was uploaded since is too young. Below a pin that came from
`first_party`, pip-compile's lines end with `# first-party`.

The digests are checked offline, so that a lock that is stale, or was edited by hand, is noticed without a network.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from functools import cache
from importlib.metadata import version
from pathlib import Path, PurePath
from typing import NamedTuple

from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version

from scripts.config import Config
from scripts.requirements import RequirementSet
from scripts.target import Target, host_platform, host_python
from scripts.versions import parse_version

FOLDER = Path("locks")
# The three kinds of lines that pip-compile writes for us.
_PIN = re.compile(r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)(\[[^]]*\])?={2,3}(?P<version>[^\s;]+)( ; .+)? \\")
_HASH = re.compile(r"    --hash=sha256:([0-9a-f]{64})( \\)?")
_COMMENT = re.compile(r"    # .*")
_VIA = re.compile(r"    #(?: via|  ) (\S.*)")
FIRST_PARTY = "    # first-party"

# Of a hundred thousand pins, most have a name that others have too.
_name = cache(canonicalize_name)


class Key(NamedTuple):
    """What a lock is for: one requirement set on one target."""

    set_name: str
    target: Target

    @property
    def path(self) -> Path:
        """The lock's file, from the top of the checkout."""
        return FOLDER / self.set_name / f"{self.target}.txt"


class Pin(NamedTuple):
    """One approved file of one release: normalised name, version, and the file's sha256 in hex."""

    name: NormalizedName
    version: Version
    sha256: str

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


def _digest(text: str) -> str:
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def _pins_digest(body: str, prior_to: str) -> str:
    """Digest of what a lock approves; the date is part of it, since a later one would let younger files pass."""
    return _digest(f"{prior_to}\n{body}" if prior_to else body)


def inputs_digest(config: Config, one: RequirementSet, target: Target) -> str:
    """Digest of all that decides a lock's content on our side; comments and blank lines do not count."""
    files = {file.path: sorted(line.text for line in file.lines) for file in one.files}
    inputs = {
        "allow_sdists": config.allow_sdists,
        "constraints": sorted(one.constraint_paths),
        "requirements": files,
        "resolve_deps": config.resolve_deps,
        "target": str(target),
    }
    # What is not used leaves no trace, so that a lock is not stale because there is something new to use.
    if (age := config.policy.min_age_days).is_on:
        inputs["min_age_days"] = [age.level, age.limit]
    if (private := config.policy.pinned_names).level == "error":
        inputs["pinned_names"] = sorted(private.names)
    return _digest(json.dumps(inputs, sort_keys=True))


def tools() -> str:
    """Return the versions of what resolves."""
    return f"pip-compile {version('pip-tools')}, pip {version('pip')}"


def compose(key: Key, inputs: str, made_with: str, body: str, prior_to: str = "") -> str:
    """Return a whole lock: the header, then body as pip-compile wrote it; prior_to is "" where every age will do."""
    source = "packages.yaml" if key.set_name == "packages" else "the requirements or packages.yaml"
    return (
        f"# Written by `make lock`. Change {source} and run it again.\n"
        f"# set: {key.set_name}\n"
        f"# target: {key.target}\n"
        f"# tools: {made_with}\n"
        f"# inputs: {inputs}\n"
        f"# pins: {_pins_digest(body, prior_to)}\n"
        + (f"# uploaded-prior-to: {prior_to}\n" if prior_to else "")
        + f"\n{body}"
    )


def split(text: str) -> tuple[dict[str, str], str]:
    """Return a lock's header fields and its body."""
    header, _, body = text.partition("\n\n")
    fields = dict(line[2:].split(": ", 1) for line in header.splitlines() if ": " in line)
    return fields, body


def read_body(path: Path) -> str:
    """Read what follows a lock's header; bytes that are no text come as U+FFFD, which no digest matches."""
    return split(path.read_text(encoding="utf-8", errors="replace"))[1]


def read_cutoff(path: Path) -> datetime | None:
    """Return the moment before which a lock's files had to be uploaded; None where every age would do."""
    text = split(path.read_text(encoding="utf-8", errors="replace"))[0].get("uploaded-prior-to", "")
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else None


def is_intact(path: Path) -> bool:
    """Whether a lock's pins are as they were written, by the digest in its header."""
    fields, body = split(path.read_text(encoding="utf-8", errors="replace"))
    return fields.get("pins") == _pins_digest(body, fields.get("uploaded-prior-to", ""))


def blocks(body: str) -> Iterator[str]:
    """Yield each pin of a lock's body with its hashes and its `# via`, as pip-compile wrote them."""
    yield from (found[0] for found in re.finditer(r"^[^\s#].*\n(?:[ \t].*\n)*", body, re.MULTILINE))


def parse_block(block: str) -> Iterator[Pin]:
    """Yield one pin for each hash of a block; raises ValueError where a line is not as pip-compile writes it.

    Extras and marker are left out: the lock is for one target, on which the marker holds.
    """
    first, *rest = block.splitlines()
    if not (match := _PIN.fullmatch(first)):
        raise ValueError(f"{first!r} is no pin")
    if wrong := [line for line in rest if not _HASH.fullmatch(line) and not _COMMENT.fullmatch(line)]:
        raise ValueError(f"{wrong[0]!r} is neither a hash nor a comment")
    hashes = [found[1] for line in rest if (found := _HASH.fullmatch(line))]
    if not hashes:
        raise ValueError(f"{first!r} has no sha256 hash")
    for sha256 in hashes:
        yield Pin(_name(match["name"]), parse_version(match["version"]), sys.intern(sha256))


def vias(block: str) -> list[str]:
    """List what asked for a pin: other projects, or `-r file`."""
    return [found[1] for line in block.splitlines() if (found := _VIA.fullmatch(line))]


def read_pins(path: Path) -> list[Pin]:
    """Read a lock's pins, in its order; raises SystemExit where anything else stands in the file."""
    body = read_body(path)
    try:
        if sum(map(len, blocks(body))) != len(body):
            raise ValueError("it holds lines that belong to no pin")
        return [pin for block in blocks(body) for pin in parse_block(block)]
    except ValueError as error:
        raise SystemExit(f"{path}: {error}; run make lock") from None


def read_first_party(path: Path) -> set[Pin]:
    """Return the pins of a lock that came from first_party."""
    found = (block for block in blocks(read_body(path)) if FIRST_PARTY in block.splitlines())
    return {pin for block in found for pin in parse_block(block)}


def in_house(keys: Iterable[Key]) -> set[Pin]:
    """Return the pins of the locks of keys that came from first_party."""
    return {pin for path in {key.path for key in keys} for pin in read_first_party(path)}


def key_of(path: PurePath) -> Key | None:
    """Return what a path such as `locks/<set>/<target>.txt` is the lock of; None where it is no lock's."""
    with suppress(ValueError):
        if path.suffix == ".txt" and path.parent.parent == FOLDER:
            return Key(path.parent.name, Target.parse(path.stem))
    return None


def existing() -> dict[Key, Path]:
    """Find the locks that stand in the checkout; what else is below `locks/` is not ours to judge."""
    return {key: path for path in sorted(FOLDER.glob("*/*.txt")) if (key := key_of(path)) and path.is_file()}


def expected(config: Config, pythons: Sequence[str] = (), platforms: Sequence[str] = ()) -> list[Key]:
    """List the locks that config asks for; pythons and platforms stand in for what it leaves open."""
    return [
        Key(one.name, Target(python, platform))
        for one in config.sets
        for python in config.python_versions or pythons or (host_python(),)
        for platform in config.platforms or platforms or (host_platform(),)
    ]
