"""A revision, the checkout -> Sides: the locks, settings and waivers before and now, whatever is wrong with them."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath
from typing import NamedTuple, TypeVar

from scripts import change, config, first_party, locks, waivers
from scripts.change import Locks
from scripts.config import Config
from scripts.finding import Chains
from scripts.first_party import FirstParty
from scripts.locks import Key
from scripts.revision import Revision
from scripts.rules import Policy
from scripts.waivers import Waiver
from scripts.why import chains

PATHS = (str(locks.FOLDER), config.FILE, waivers.FILE)
Place = TypeVar("Place")
Value = TypeVar("Value")


def _marked(side: Locks) -> frozenset[str]:
    projects = (pair for lock in side.values() for pair in lock.projects.items())
    return frozenset(name for name, blocks in projects if any(block.is_first_party for block in blocks.values()))


class Sides(NamedTuple):
    """What is compared. settings are those of now, None where problems says why; as_of is when now is."""

    base_commit: str
    as_of: datetime
    base: Locks
    head: Locks
    settings_texts: tuple[str, str]
    settings: Config | None
    waivers: tuple[Sequence[Waiver], Sequence[Waiver]]
    problems: Sequence[str]
    in_house: FirstParty

    @property
    def policy(self) -> Policy:
        """The rules of now; without settings none is on."""
        return self.settings.policy if self.settings else Policy()

    @property
    def why(self) -> Chains:
        """The chains of requirements of now."""
        return chains(self.settings.sets, locks.existing()) if self.settings else {}

    @property
    def names(self) -> frozenset[str]:
        """The projects of all locks, before and now."""
        return frozenset(name for side in (self.base, self.head) for lock in side.values() for name in lock.projects)

    @property
    def marked(self) -> tuple[frozenset[str], frozenset[str]]:
        """The projects that locks say were built in-house, before and now."""
        return _marked(self.base), _marked(self.head)

    @property
    def private(self) -> frozenset[str]:
        """The projects that no upstream is asked about: built in-house, or with a name that only such may have."""
        ours = frozenset[str]().union(*self.marked, self.in_house.names)
        rule = self.policy.pinned_names
        public = {one.project for one in self.waivers[1] if one.rule == "pinned_names"}
        kept = set(filter(rule.pattern_of, self.names - public))
        return ours | kept if rule.is_on else ours

    @property
    def moments(self) -> dict[Key, datetime]:
        """When locks were made, where they and the settings say so; not in the future, or all would be old."""
        if not self.policy.min_age_days.is_on:
            return {}
        age, now = timedelta(days=self.policy.min_age_days.limit), datetime.now(UTC)
        cutoffs = {key: moment for key, path in locks.existing().items() if (moment := locks.read_cutoff(path))}
        return {key: min(moment, now - age) + age for key, moment in cutoffs.items()}


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""


def _loaded(load: Callable[[Place], Value], problems: list[str], place: Place) -> Value | None:
    """Return what a place holds; None, with what is wrong among the problems, where it cannot be read."""
    try:
        return load(place)
    except SystemExit as error:
        problems += str(error).splitlines()
        return None


def _waivers_of(text: str) -> list[Waiver]:
    """Read the waivers of a file as it was; one that could not be read then excuses nothing."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / waivers.FILE).write_text(text, encoding="utf-8")
        return _loaded(waivers.load, [], Path(folder)) or [] if text else []


def read(found: Revision, as_of: datetime) -> Sides:
    """Read both sides; what is wrong with the settings of now is told, and keeps nothing else from being read."""
    problems: list[str] = []
    settings = _loaded(config.load, problems, Path())
    in_house = _loaded(first_party.read, problems, settings.first_party if settings else "")
    return Sides(
        found.commit,
        as_of,
        {key: change.parse(text) for path, text in found.texts.items() if (key := locks.key_of(path))},
        {key: change.parse(_text(path)) for key, path in locks.existing().items()},
        (found.texts.get(PurePosixPath(config.FILE), ""), _text(Path(config.FILE))),
        settings if in_house else None,
        (
            _waivers_of(found.texts.get(PurePosixPath(waivers.FILE), "")),
            _loaded(waivers.load, problems, Path()) or [],
        ),
        problems,
        in_house or FirstParty({}, frozenset()),
    )
