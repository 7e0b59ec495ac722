"""A release, its files, the checkout -> problems: each page is, byte for byte, what make index would write.

The facts that only an upstream tells are taken from the release itself: nobody else knows them any more.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from scripts import attested, history, locks
from scripts.build import build
from scripts.config import Config
from scripts.fetch import held
from scripts.files import is_file
from scripts.gather import offer_of
from scripts.list_files import list_files
from scripts.locate import Wanted
from scripts.manifest import OWN
from scripts.memory import Memory
from scripts.problem import Problem, Rule
from scripts.publish import tell
from scripts.release import paths
from scripts.root import Root


def written(root: Root, live: Path, settings: Config, wanted: Wanted) -> Iterator[Problem]:
    """Write the live release's pages anew and compare them. The release must have no other problem."""
    memory = Memory(root, [live])
    found = held(root, wanted, settings.allow_sdists)
    files = list_files(root, found, wanted, "", locks.in_house(locks.existing()), memory)
    offer = offer_of(files, settings, memory)
    if settings.policy.attestations.is_on:
        offer, _ = attested.attested(offer, memory)
    with tempfile.TemporaryDirectory() as folder:
        site = Path(folder) / "site"
        build(offer, site)
        tell(offer, site, history.read(live))
        yield from different(site, live, "is not what make index writes of this checkout")


def different(site: Path, other: Path, fact: str) -> Iterator[Problem]:
    """Name each page of a site that is another one elsewhere."""
    for path in sorted(paths(site) - OWN):
        if not is_file(other / path) or (site / path).read_bytes() != (other / path).read_bytes():
            yield Problem(Rule.PAGES, path, fact)
