"""A name that no lock has -> sentences: whether it is denied, asked for or still published, and what is near it."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Iterator, Mapping

from scripts import config, locks
from scripts.config import Config
from scripts.locks import Key, Pin

_MOST_NEAR = 3


def _known(name: str, settings: Config, published: Collection[str]) -> Iterator[str]:
    if name in settings.denied:
        yield f"{config.FILE}: {name} is denied ({settings.denied[name]}); no lock may have it"
    for line in (line for one in settings.sets for line in one.lines if line.name == name):
        yield f"{line.where}: asks for {name}, and no lock has it; run make lock, unless no target is meant"
    if published:
        yield f"{locks.FOLDER}: none has {name}, which is still published; make index takes it away"


def _near(name: str, names: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, sorted(set(names)), n=_MOST_NEAR)
    return f"is {' or '.join(near)} meant?" if near else "write it into the requirements and run make lock"


def sentences(name: str, settings: Config, there: Mapping[Key, Collection[Pin]], published: Collection[str]) -> str:
    """Say what is known of a name that no lock has; there are the pins of every lock."""
    names = {pin.name for pins in there.values() for pin in pins} | set(settings.denied)
    known = list(_known(name, settings, published))
    if not known:
        known = [f"{locks.FOLDER}: none has {name}; {_near(name, names)}"]
    return "\n".join(known)
