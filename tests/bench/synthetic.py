"""A number of projects -> small valid wheels, the same each time, and a checkout whose lock approves them.

What is random comes from a seed made of the file's own name, so that a wheel is the same whatever else is made.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from distributions import Distribution, core_metadata, wheel

from scripts import config, locks
from scripts.root import Root, opened

ONE_TARGET = ("3.12-manylinux_2_28_x86_64",)
SIX_TARGETS = tuple(f"3.{minor}-{name}" for minor in (11, 12, 13) for name in ("manylinux_2_28_x86_64", "win_amd64"))
UPLOADED = 1_700_000_000
# A project needs others of its own neighbourhood: what one client installs does not grow with the index.
_NEIGHBOURS = 10
_PYTHONS = (">=3.8", ">=3.9", "<4,>=3.8")
_MARKERS = ("", '; python_version >= "3.9"', '; sys_platform == "win32"', '; extra == "all"')
_LICENSES = ("MIT", "Apache-2.0", "BSD-3-Clause")
_WORDS = ("tools", "for", "data", "that", "people", "keep", "in", "files", "and", "send", "over", "a", "network")


class Approval(NamedTuple):
    """What a lock and dumb-pypi's list say of a file."""

    name: str
    version: str
    sha256: str
    record: str


def versions(projects: int, files: int = 10, *, first: int = 0, major: int = 1) -> Iterator[tuple[int, str]]:
    """Yield (number of the project, version): files of each of so many projects."""
    for project in range(first, first + projects):
        yield from ((project, f"{major}.{minor}") for minor in range(files))


def name_of(project: int) -> str:
    """Return a project's name."""
    return f"project-{project:06}"


def _needs(project: int, chance: random.Random) -> list[str]:
    """Return what a release needs: projects before it in its neighbourhood, any version of them."""
    before = range(project - project % _NEIGHBOURS, project)
    chosen = sorted(chance.sample(before, min(len(before), chance.randrange(4))))
    return [f"{name_of(other)}>=1.0{chance.choice(_MARKERS)}" for other in chosen]


def _headers(chance: random.Random) -> str:
    summary = " ".join(chance.choices(_WORDS, k=10))
    return f"Summary: {summary}\nLicense-Expression: {chance.choice(_LICENSES)}\nProvides-Extra: all"


def make(project: int, version: str, *, padding: int = 0) -> Distribution:
    """Return a wheel of about 1 kB, and padding bytes that do not compress."""
    name = name_of(project)
    chance = random.Random(f"{name} {version}")  # noqa: S311 (a seed is what is wanted)
    metadata = core_metadata(name, version, _needs(project, chance), chance.choice(_PYTHONS), headers=_headers(chance))
    files = {f"{name.replace('-', '_')}/data.bin": chance.randbytes(padding)} if padding else {}
    return wheel(name, version, metadata=metadata, files=files)


def _record(one: Distribution, needs: Sequence[str], python: str) -> str:
    """Return the line of dumb-pypi's list, with all that it shows."""
    told = {
        "filename": one.filename,
        "hash": f"sha256={one.sha256}",
        "requires_dist": needs,
        "requires_python": python,
        "upload_timestamp": UPLOADED,
    }
    return json.dumps(told)


def _approval(project: int, version: str, one: Distribution) -> Approval:
    lines = one.metadata.decode().splitlines()
    needs = [line.partition(": ")[2] for line in lines if line.startswith("Requires-Dist: ")]
    python = next(line.partition(": ")[2] for line in lines if line.startswith("Requires-Python: "))
    return Approval(name_of(project), version, one.sha256, _record(one, needs, python))


def save(wanted: Iterable[tuple[int, str]], folder: Path, *, padding: int = 0) -> list[Approval]:
    """Write the wheels into a folder; returns what approves them."""
    folder.mkdir(parents=True, exist_ok=True)
    found = []
    for project, version in wanted:
        one = make(project, version, padding=padding)
        one.save(folder)
        found.append(_approval(project, version, one))
    return found


def package_list(approvals: Sequence[Approval], path: Path) -> Path:
    """Write the list that dumb-pypi takes."""
    path.write_text("".join(f"{one.record}\n" for one in approvals), encoding="ascii")
    return path


def approve(checkout: Path, approvals: Sequence[Approval], targets: Sequence[str] = ONE_TARGET, more: str = "") -> None:
    """Write requirements, settings and locks of a checkout: every file on every target; more are further settings."""
    pythons = sorted({target.partition("-")[0] for target in targets})
    platforms = sorted({target.partition("-")[2] for target in targets})
    (checkout / config.FILE).write_text(
        f"resolve_deps: false\npython_versions: {json.dumps(pythons)}\nplatforms: {json.dumps(platforms)}\n{more}"
    )
    pins = sorted(f"{one.name}=={one.version}" for one in approvals)
    (checkout / "requirements.in").write_text("".join(f"{pin}\n" for pin in pins))
    blocks = sorted(f"{one.name}=={one.version} \\\n    --hash=sha256:{one.sha256}\n" for one in approvals)
    settings = config.load(checkout)
    for key in locks.expected(settings):
        inputs = locks.inputs_digest(settings, settings.sets[0], key.target)
        (checkout / key.path).parent.mkdir(parents=True, exist_ok=True)
        (checkout / key.path).write_text(locks.compose(key, inputs, locks.tools(), "".join(blocks)))


def hold(root: Path, files: Iterable[Path]) -> None:
    """Put links to files where the shared folder keeps what it fetched; a publish moves the links, not the files."""
    with opened(root):
        pass
    incoming = Root(root).incoming
    for path in files:
        (incoming / path.name).hardlink_to(path)
