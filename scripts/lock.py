"""packages.yaml, requirement files -> locks/: resolves every set for every target with pip-compile.

Only locks that are missing or stale are made anew, and what they pin already is kept. --upgrade resolves everything
afresh, --upgrade-package one project.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from packaging.utils import canonicalize_name
from packaging.version import Version

from scripts import config, locks
from scripts.config import Config
from scripts.locks import Key
from scripts.pip_environment import pip_environment
from scripts.requirements import Line, RequirementFile, RequirementSet
from scripts.target import Target
from scripts.terminal import Progress, run, side_by_side

_CODE = Path(__file__).resolve().parent.parent
# What pip says on its way that is no reason for a failure.
_NOISE = re.compile(r"^(WARNING: Discarding|DEBUG|INFO|Collecting|Using cached|Downloading|\s*$)")


class Job(NamedTuple):
    """One lock to make: its requirements, and how."""

    key: Key
    requirements: RequirementSet
    config: Config
    environment: dict[str, str]
    upgrade: tuple[str, ...]


class Outcome(NamedTuple):
    """What became of a job: the lock's text, or the reason why there is none; and the notes of its making."""

    text: str = ""
    reason: str = ""


def _layers(one: RequirementSet, target: Target) -> Iterator[RequirementSet]:
    """Split a set that lists several versions of a project: pip-compile takes one version of each at a time."""
    versions: dict[str, list[str]] = {}
    layers: dict[int, list[Line]] = {}
    for line in one.lines:
        if line.requirement.marker and not line.requirement.marker.evaluate(dict(target.environment)):
            continue
        known = versions.setdefault(line.name, [])
        if line.pin not in known:
            known.append(str(line.pin))
        layers.setdefault(known.index(str(line.pin)), []).append(line)
    for lines in layers.values():
        files = [file._replace(lines=_kept(file, lines, one.constraint_paths)) for file in one.files]
        yield one._replace(files=tuple(files))


def _kept(file: RequirementFile, lines: list[Line], constraints: frozenset[str]) -> tuple[Line, ...]:
    return file.lines if file.path in constraints else tuple(line for line in file.lines if line in lines)


def _write_inputs(one: RequirementSet, folder: Path) -> Iterator[str]:
    """Write the requirements as we understood them, under their own names; yield pip-compile's arguments for them.

    pip reads only what was parsed here, so that nothing reaches it that was not understood and allowed.
    """
    for file in one.files:
        path = folder / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(f"{line.requirement}\n" for line in file.lines), encoding="utf-8")
        yield f"--constraint={file.path}" if file.path in one.constraint_paths else file.path


def _write_existing(job: Job, layer: RequirementSet, output: Path) -> None:
    """Give pip-compile the pins that stand, as its output file, so that it keeps them."""
    if not job.key.path.is_file():
        return
    body = locks.split(job.key.path.read_text(encoding="utf-8"))[1]
    wanted = {(line.name, line.pin) for line in layer.lines}
    output.write_text("".join(block for block in locks.blocks(body) if _stands(job, block, wanted)), encoding="utf-8")


def _stands(job: Job, block: str, wanted: set[tuple[str, str | None]]) -> bool:
    try:
        pins = list(locks.parse_block(block))
    except ValueError:
        return False  # edited by hand: pip-compile makes that pin anew
    return job.config.resolve_deps or any((pin.name, _as_written(wanted, pin)) in wanted for pin in pins)


def _as_written(wanted: set[tuple[str, str | None]], pin: locks.Pin) -> str | None:
    return next((text for name, text in wanted if name == pin.name and text and Version(text) == pin.version), None)


def _compile(job: Job, layer: RequirementSet) -> str:
    """Run pip-compile for one layer; returns the pins, raises RuntimeError with pip's reason."""
    with tempfile.TemporaryDirectory() as folder:
        sources = list(_write_inputs(layer, Path(folder)))
        output = Path(folder) / "lock.txt"
        _write_existing(job, layer, output)
        command = (
            *(sys.executable, "-m", "scripts.compile_target", f"--target={job.key.target}"),
            *(() if job.config.resolve_deps else ("--pins-only",)),
            *(f"--allow-sdist={name}" for name in job.config.allow_sdists),
            "--",
            *(
                "--quiet",
                "--no-header",
                "--no-config",
                "--generate-hashes",
                "--allow-unsafe",
                "--strip-extras",
            ),
            *("--no-emit-options", "--newline=LF", f"--output-file={output.name}"),
            *job.upgrade,
            *sources,
        )
        done = subprocess.run(command, cwd=folder, env=job.environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(_reason(done.stderr))
        return output.read_text(encoding="utf-8")


def _reason(stderr: str) -> str:
    """Return what pip gave as the reason: its error lines, each once, without its own prefix."""
    lines = [line.removeprefix("ERROR: ").rstrip() for line in stderr.splitlines() if not _NOISE.match(line)]
    return "\n    ".join(dict.fromkeys(lines)) or "pip-compile gave no reason"


def _make(job: Job) -> Outcome:
    layers = [job.requirements] if job.config.resolve_deps else list(_layers(job.requirements, job.key.target))
    try:
        pins = [block for layer in layers for block in locks.blocks(_compile(job, layer))]
    except RuntimeError as error:
        return Outcome(reason=str(error))
    body = "".join(sorted(pins, key=_sort_key))
    inputs = locks.inputs_digest(job.config, job.requirements, job.key.target)
    return Outcome(text=locks.compose(job.key, inputs, body))


def _sort_key(block: str) -> tuple[str, Version]:
    pin = next(locks.parse_block(block))
    return pin.name, pin.version


def _write(path: Path, text: str) -> bool:
    """Write a lock in one rename; returns whether it changed."""
    if path.is_file() and path.read_text(encoding="utf-8") == text:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)
    return True


def _remove_dropped(keys: Sequence[Key]) -> list[Path]:
    """Remove the locks of sets and targets that are no longer asked for."""
    dropped = [path for key, path in locks.existing().items() if key not in keys]
    for path in dropped:
        path.unlink()
        if not any(path.parent.iterdir()):
            path.parent.rmdir()
    return dropped


def _upgrade_arguments(upgrade: bool, package: str, keys: Sequence[Key]) -> tuple[str, ...]:
    if not package:
        return ("--upgrade",) if upgrade else ()
    name = canonicalize_name(package)
    pinned = {pin.name for key in keys if key.path.is_file() for pin in locks.read_pins(key.path)}
    if name not in pinned:
        raise SystemExit(f"PACKAGE={package}: no lock pins that project; name one that stands in locks/")
    return (f"--upgrade-package={name}",)


def _jobs(settings: Config, keys: Sequence[Key], upgrade: tuple[str, ...], upstream: str) -> list[Job]:
    environment = pip_environment(upstream) | {"PYTHONPATH": str(_CODE)}
    sets = {one.name: one for one in settings.sets}
    return [Job(key, sets[key.set_name], settings, environment, upgrade) for key in keys]


def _run(jobs: Sequence[Job]) -> tuple[int, dict[Path, str]]:
    """Make every lock, side by side; returns how many changed, and the reason for each that could not be made."""
    progress = Progress()
    changed, failed = 0, {}
    progress.show(f"Locking {len(jobs)} targets …")
    for count, (job, outcome) in enumerate(side_by_side(_make, jobs, at_once=os.cpu_count() or 1), start=1):
        if outcome.reason:
            failed[job.key.path] = outcome.reason
        else:
            changed += _write(job.key.path, outcome.text)
        progress.show(f"Locking: {count} of {len(jobs)} targets done")
    progress.clear()
    return changed, failed


def main(argv: Sequence[str] | None = None) -> int:
    """Write the locks; targets that cannot be solved are reported, and the other locks are written all the same."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--upgrade", action="store_true", help="take the newest versions that the requirements allow")
    parser.add_argument("--package", default="", help="with --upgrade: move this project only")
    parser.add_argument("--upstream", default="", help="index URL in place of pip's index-url")
    args = parser.parse_args(argv)
    settings = config.load(Path())
    keys = locks.expected(settings)
    upgrade = _upgrade_arguments(args.upgrade, args.package, keys)
    stale = {problem.partition(":")[0] for problem in locks.problems(settings)}
    wanted = [key for key in keys if upgrade or str(key.path) in stale or not key.path.is_file()]
    if wanted and settings.allow_sdists and settings.resolve_deps:
        names = ", ".join(settings.allow_sdists)
        print(
            f"Reading an sdist's dependencies runs its code here; allow_sdists permits it for: {names}",
            file=sys.stderr,
        )
    changed, failed = _run(_jobs(settings, wanted, upgrade, args.upstream)) if wanted else (0, {})
    dropped = _remove_dropped(keys)
    for path, reason in sorted(failed.items()):
        print(f"{path}: cannot be solved:\n    {reason}", file=sys.stderr)
    kept = len(keys) - changed - len(failed)
    print(
        f"{changed} locks written, {kept} unchanged, {len(dropped)} removed, {len(failed)} failed",
        file=sys.stderr,
    )
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(run(main))
