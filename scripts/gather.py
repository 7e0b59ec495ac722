"""Locks, $(PYPI_ROOT), upstream -> what would be published: each pin's file, read and checked, with its reasons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import NamedTuple

from scripts import config, lock_check, locks, waivers
from scripts.config import Config
from scripts.distribution import Distribution
from scripts.facts import time_text
from scripts.fetch import Source, ask_again, fetch
from scripts.list_files import NOTHING, File, list_files
from scripts.locate import Wanted
from scripts.locks import Key, Pin
from scripts.memory import Memory
from scripts.offer import Offer
from scripts.places import Places
from scripts.release import next_moment
from scripts.root import Root
from scripts.waivers import Waiver
from scripts.why import chains


class Gathered(NamedTuple):
    """What would be published: where each file is, by its sha256, the release's time, and what earlier ones told."""

    offer: Offer
    paths: Places[str]
    moment: datetime
    memory: Memory


@cache  # most pins are those of the same locks
def _with(keys: tuple[Key, ...], key: Key) -> tuple[Key, ...]:
    return (*keys, key)


def read_approved() -> tuple[Config, Wanted]:
    """Read the checkout: its settings, and each pin of each lock with the locks that name it.

    Raises SystemExit where a lock is not up to date, or names what is denied: that may have been denied since, or be a
    need of something else.
    """
    settings = config.load(Path())
    if problems := lock_check.problems(settings):
        raise SystemExit("\n".join(f"{path}: {problem}" for path, problem in problems.items()))
    wanted: dict[Pin, tuple[Key, ...]] = {}
    for key, path in locks.existing().items():
        for pin in locks.read_pins(path):
            wanted[pin] = _with(wanted.get(pin, ()), key)
    if denied := [pin for pin in wanted if pin.name in settings.denied]:
        lines = [f"{key.path}: {_denial(pin, settings)}" for pin in denied for key in wanted[pin]]
        raise SystemExit("\n".join(sorted(lines)))
    return settings, wanted


def _denial(pin: Pin, settings: Config) -> str:
    return f"{pin} is denied in {config.FILE} ({settings.denied[pin.name]}); remove what needs it, or its denial"


def gather(
    root: Root, wanted: Wanted, settings: Config, source: Source, learned: Mapping[str, Distribution] = NOTHING
) -> Gathered:
    """Fetch what is not held yet, and read everything; learned is what the last run read, by sha256.

    Raises SystemExit with all that is missing or not sound.
    """
    found = fetch(root, wanted, settings, source)
    moment, in_house = next_moment(root), locks.in_house(locks.existing())

    def read() -> tuple[list[File], Memory]:
        memory = Memory(root, allowed=source.allowed)
        return list_files(root, found, wanted, time_text(moment), in_house, memory, learned), memory

    files, memory = read()
    if doubtful := memory.doubtful & {pin.name for pin in wanted if pin not in in_house}:
        ask_again(root, wanted, found, settings, source, doubtful)
        files, memory = read()
    by_sha256 = Places({pin.sha256: parts for pin, parts in found.parts.items()})
    return Gathered(offer_of(files, settings, memory), by_sha256, moment, memory)


def offer_of(files: Sequence[File], settings: Config, memory: Memory) -> Offer:
    """Return what the checkout offers of files, with what is known of their projects."""
    by_project: dict[str, list[Distribution]] = {}
    for file in files:
        by_project.setdefault(file.distribution.name, []).append(file.distribution)
    ours = {file.distribution.name for file in files if file.facts.first_party}
    statuses = {name: memory.status(name, of_project) for name, of_project in by_project.items() if name not in ours}
    exceptions: dict[str, list[Waiver]] = {}
    for waiver in waivers.load(Path()):
        exceptions.setdefault(waiver.project, []).append(waiver)
    why = chains(settings.sets, locks.existing())
    return Offer(files, statuses, settings.denied, why, settings.request_url, exceptions)
