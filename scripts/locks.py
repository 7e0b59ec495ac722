"""locks/<set>/<target>.txt -> pins: the format of a lock, where it stands, and whether it is up to date.

A lock is what pip-compile writes, below a header of our own:

    # Written by `make lock`. Change requirements.in or packages.yaml and run it again.
    # set: requirements
    # target: 3.12-win_amd64
    # tools: pip-compile 7.6.2, pip 26.3
    # inputs: sha256:<digest of the requirements and settings that led to it>
    # pins: sha256:<digest of all that follows>

Both digests are checked offline, so that a lock that is stale, or was edited by hand, is noticed without a network.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version

from scripts.config import Config
from scripts.requirements import RequirementSet
from scripts.target import Target, host_platform, host_python, platform_problem, python_problem

FOLDER = Path("locks")
COMMAND = "make lock"
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")


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


def inputs_digest(config: Config, one: RequirementSet, target: Target) -> str:
    """Digest of all that decides a lock's content on our side; comments and blank lines do not count."""
    files = {file.path: sorted(str(line.requirement) for line in file.lines) for file in one.files}
    inputs = {
        "allow_sdists": config.allow_sdists,
        "constraints": sorted(one.constraint_paths),
        "requirements": files,
        "resolve_deps": config.resolve_deps,
        "target": str(target),
    }
    return _digest(json.dumps(inputs, sort_keys=True))


def compose(key: Key, inputs: str, body: str) -> str:
    """Return a whole lock: the header, then body as pip-compile wrote it."""
    tools = f"pip-compile {version('pip-tools')}, pip {version('pip')}"
    source = "packages.yaml" if key.set_name == "packages" else "the requirements or packages.yaml"
    return (
        f"# Written by `{COMMAND}`. Change {source} and run it again.\n"
        f"# set: {key.set_name}\n"
        f"# target: {key.target}\n"
        f"# tools: {tools}\n"
        f"# inputs: {inputs}\n"
        f"# pins: {_digest(body)}\n"
        f"\n{body}"
    )


def split(text: str) -> tuple[dict[str, str], str]:
    """Return a lock's header fields and its body."""
    header, _, body = text.partition("\n\n")
    fields = dict(line[2:].split(": ", 1) for line in header.splitlines() if ": " in line)
    return fields, body


def read_body(path: Path) -> str:
    """Read what follows a lock's header; bytes that are no text come as U+FFFD, which no digest matches."""
    return split(path.read_text(encoding="utf-8", errors="replace"))[1]


def blocks(body: str) -> Iterator[str]:
    """Yield each pin of a lock's body with its hashes and its `# via`, as pip-compile wrote them."""
    yield from re.findall(r"^[^\s#].*\n(?:[ \t].*\n|#.*\n(?=[ \t]))*", body, re.MULTILINE)


def parse_block(block: str) -> Iterator[Pin]:
    """Yield one pin for each hash of a block; raises ValueError where it is not one version with hashes.

    Extras and marker are left out: the lock is for one target, on which the marker holds.
    """
    requirement_text = re.split(r"\s+\\$|\s+--hash|\s+#", block, maxsplit=1, flags=re.MULTILINE)[0].strip()
    requirement = Requirement(requirement_text)
    specifiers = list(requirement.specifier)
    if requirement.url or len(specifiers) != 1 or specifiers[0].operator not in {"==", "==="}:
        raise ValueError(f"{requirement_text!r} is not a pin")
    hashes = _HASH.findall(block)
    if not hashes:
        raise ValueError(f"{requirement_text!r} has no sha256 hash")
    for sha256 in hashes:
        yield Pin(canonicalize_name(requirement.name), Version(specifiers[0].version), sha256)


def read_pins(path: Path) -> list[Pin]:
    """Read a lock's pins, in its order; raises SystemExit where the file is no lock."""
    pins: list[Pin] = []
    for block in blocks(read_body(path)):
        try:
            pins += parse_block(block)
        except (InvalidRequirement, ValueError) as error:
            raise SystemExit(f"{path}: {error}; run make lock") from None
    return pins


def existing(folder: Path = FOLDER) -> dict[Key, Path]:
    """Find the locks that stand in the checkout; other files below `locks/` are not ours to judge."""
    found = {}
    for path in sorted(folder.glob("*/*.txt")):
        python, _, platform = path.stem.partition("-")
        if not python_problem(python) and not platform_problem(platform):
            found[Key(path.parent.name, Target(python, platform))] = path
    return found


def expected(config: Config, pythons: Sequence[str] = (), platforms: Sequence[str] = ()) -> list[Key]:
    """List the locks that config asks for; pythons and platforms stand in for what it leaves open."""
    return [
        Key(one.name, Target(python, platform))
        for one in config.sets
        for python in config.python_versions or pythons or (host_python(),)
        for platform in config.platforms or platforms or (host_platform(),)
    ]


def problems(config: Config) -> list[str]:
    """Name each lock that is missing, stale, edited by hand or no longer asked for; offline.

    Where `packages.yaml` leaves Python or platform to the machine that runs `make lock`, that machine is known by the
    locks it wrote: the one that checks may be another.
    """
    there = existing()
    pythons = sorted({key.target.python for key in there})
    platforms = sorted({key.target.platform for key in there})
    keys = expected(config, pythons, platforms)
    sets = {one.name: one for one in config.sets}
    found = [problem for key in keys if (problem := _problem(config, sets[key.set_name], key))]
    return found + [f"{path}: no longer asked for; run make lock" for key, path in there.items() if key not in keys]


def _problem(config: Config, one: RequirementSet, key: Key) -> str | None:
    if not key.path.is_file():
        return f"{key.path}: missing; run make lock"
    fields, body = split(key.path.read_text(encoding="utf-8", errors="replace"))
    if fields.get("inputs") != inputs_digest(config, one, key.target):
        return f"{key.path}: stale, the requirements or packages.yaml changed since; run make lock"
    if fields.get("pins") != _digest(body):
        return f"{key.path}: edited by hand, its pins do not match its header; run make lock"
    return None
