"""Requirement set, target -> the text of a lock: gives pip-compile what it needs, and puts together what it says."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from packaging.version import Version

from scripts import locks
from scripts.compilers import Compilers
from scripts.config import FILE, Config
from scripts.locks import Key, Pin
from scripts.requirements import Line, RequirementFile, RequirementSet
from scripts.waivers import Waiver


class Job(NamedTuple):
    """One lock to make: its requirements, and how. prior_to is the moment before which files had to be uploaded."""

    key: Key
    requirements: RequirementSet
    config: Config
    compilers: Compilers
    upgrade: tuple[str, ...] = ()
    prior_to: str = ""
    waivers: Sequence[Waiver] = ()
    in_house: Collection[str] = ()


class Outcome(NamedTuple):
    """What became of a job: the lock's text, or the reason why there is none."""

    text: str = ""
    reason: str = ""


def _layers(one: RequirementSet) -> Iterator[RequirementSet]:
    """Split a set that lists several versions of a project: pip-compile takes one version of each at a time."""
    versions: dict[str, list[Version]] = {}
    layers: dict[int, list[Line]] = {}
    for line in one.lines:
        known, version = versions.setdefault(line.name, []), Version(str(line.pin))
        if version not in known:
            known.append(version)
        layers.setdefault(known.index(version), []).append(line)
    for lines in layers.values():
        files = [file._replace(lines=_kept(file, lines, one.constraint_paths)) for file in one.files]
        yield one._replace(files=tuple(files))


def _kept(file: RequirementFile, lines: list[Line], constraints: frozenset[str]) -> tuple[Line, ...]:
    return file.lines if file.path in constraints else tuple(line for line in file.lines if line in lines)


def _on_their_lines(lines: Sequence[Line]) -> Iterator[str]:
    count = 0
    for line in lines:
        yield "\n" * (line.number - count - 1) + f"{line.text}\n"
        count = max(line.number, count + 1)


def _write_inputs(one: RequirementSet, folder: Path) -> Iterator[str]:
    """Write the requirements as we understood them, under their own names; yield pip-compile's arguments for them.

    pip reads only what was parsed here, so that nothing reaches it that was not understood and allowed. Each stands on
    its own line again, so that an error names that line.
    """
    for file in one.files:
        path = folder / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(_on_their_lines(file.lines)), encoding="utf-8")
        yield f"--constraint={file.path}" if file.path in one.constraint_paths else file.path


def _standing_pins(job: Job, layer: RequirementSet) -> Iterator[Pin]:
    """Yield the pins of the lock that stands, without those that were edited into no pins at all."""
    if not job.key.path.is_file():
        return
    wanted = set() if job.config.resolve_deps else {(line.name, Version(str(line.pin))) for line in layer.lines}
    for block in locks.blocks(locks.read_body(job.key.path)):
        with suppress(ValueError):
            yield from (pin for pin in locks.parse_block(block) if not wanted or (pin.name, pin.version) in wanted)


def _write_existing(pins: Iterable[Pin], output: Path, unhashed: Collection[str]) -> None:
    """Give pip-compile the pins that stand, as its output file, so that it keeps them."""
    lines = (f"{pin.name}=={pin.version}{_hash_of(pin) if pin.name not in unhashed else ''}\n" for pin in pins)
    output.write_text("".join(lines))


def _hash_of(pin: Pin) -> str:
    return f" --hash=sha256:{pin.sha256}"


def _source_options(job: Job) -> Iterator[str]:
    """Yield what tells scripts/compile_target.py where files may come from, and which may be of any age."""
    if job.config.first_party:
        yield f"--first-party={Path(job.config.first_party).resolve()}"
    yield from (f"--private={name}" for name in sorted(job.in_house))
    if (private := job.config.policy.pinned_names).level == "error":
        yield from (f"--private={pattern}" for pattern in private.names)
    for waiver in job.waivers:
        if waiver.rule == "pinned_names":
            yield f"--public={waiver.project} {waiver.versions}"
        elif waiver.rule == "min_age_days":
            yield f"--any-age={waiver.project} {waiver.versions}"


def _arguments(job: Job, output: Path, sources: Iterable[str]) -> tuple[str, ...]:
    return (
        f"--target={job.key.target}",
        *(() if job.config.resolve_deps else ("--pins-only",)),
        *(f"--allow-sdist={name}" for name in job.config.allow_sdists),
        *_source_options(job),
        "--",
        *("--quiet", "--no-header", "--no-config", "--generate-hashes", "--allow-unsafe", "--strip-extras"),
        *("--no-emit-options", "--newline=LF", f"--output-file={output}"),
        *((f"--uploaded-prior-to={job.prior_to}",) if job.config.policy.min_age_days.level == "error" else ()),
        *job.upgrade,
        *sources,
    )


def compile_layer(job: Job, layer: RequirementSet) -> str:
    """Run pip-compile for one layer; returns the pins, raises RuntimeError with the reason where there are none."""
    with tempfile.TemporaryDirectory() as folder:
        inputs, output = Path(folder) / "inputs", Path(folder) / "lock.txt"
        arguments = _arguments(job, output, _write_inputs(layer, inputs))
        pins = list(_standing_pins(job, layer))
        # What was edited by hand tells a version that somebody wants, but no hash that anybody checked. And what is
        # built in-house may have been built anew.
        is_intact = bool(pins) and locks.is_intact(job.key.path)
        _write_existing(pins, output, job.in_house if is_intact else {pin.name for pin in pins})
        job.compilers.compile(arguments, inputs)
        return output.read_text(encoding="utf-8")


def solve(job: Job) -> Outcome:
    """Resolve one lock; pip-compile's reason takes the text's place where that cannot be done."""
    layers = [job.requirements] if job.config.resolve_deps else list(_layers(job.requirements))
    pins: list[str] = []
    reasons = []
    for layer in layers:
        try:
            pins += locks.blocks(compile_layer(job, layer))
        except RuntimeError as error:
            reasons.append(str(error))
    reasons += _denied(job, pins)
    if reasons:
        return Outcome(reason="\n".join(reasons))
    body = "".join(sorted((_marked(block, job.in_house) for block in pins), key=_sort_key))
    return Outcome(text=_lock(job, body))


def _lock(job: Job, body: str) -> str:
    """Return the lock's text: the one that stands where only the date would change."""
    inputs = locks.inputs_digest(job.config, job.requirements, job.key.target)
    prior_to = job.prior_to if job.config.policy.min_age_days.is_on else ""
    standing = locks.read_cutoff(job.key.path) if job.key.path.is_file() else None
    same = locks.compose(job.key, inputs, locks.tools(), body, standing.isoformat() if standing else "")
    is_same = prior_to and standing and job.key.path.read_text(encoding="utf-8", errors="replace") == same
    return same if is_same else locks.compose(job.key, inputs, locks.tools(), body, prior_to)


def _marked(block: str, in_house: Collection[str]) -> str:
    """Mark a pin of a project that is built in-house."""
    return f"{block}{locks.FIRST_PARTY}\n" if next(locks.parse_block(block)).name in in_house else block


def _denied(job: Job, blocks: Sequence[str]) -> Iterator[str]:
    """Say which pins are denied: pip-compile knows nothing of it, and would bring one in as a need of another."""
    for pin in itertools.chain.from_iterable(map(locks.parse_block, blocks)):
        if pin.name in job.config.denied:
            yield f"{pin} is denied in {FILE} ({job.config.denied[pin.name]}); remove what needs it, or its denial"


def _sort_key(block: str) -> tuple[str, Version]:
    pin = next(locks.parse_block(block))
    return pin.name, pin.version
