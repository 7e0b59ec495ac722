"""A fact, a file -> Finding: the sentence in which closure or a rule of the policy says what is wrong, and for whom."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from scripts.list_files import File
from scripts.offer import Offer
from scripts.target_names import for_whom
from scripts.texts import few, one_line
from scripts.why import Chain

Chains = Mapping[str, Sequence[Chain]]
_MOST_FILES = 3  # that one sentence names


class Finding(NamedTuple):
    """A breach of a rule by a version of a project; both are empty where the whole release is meant.

    Not is_checked: the fact could not be had, and nobody knows whether there is a breach. ids are an advisory's.
    line is what would mend it, as (requirement file, line to add).
    """

    rule: str
    project: str
    version: str
    text: str
    is_checked: bool = True
    ids: tuple[str, ...] = ()
    line: tuple[str, str] | None = None

    def __str__(self) -> str:
        return f"{self.rule}: {one_line(self.text, len(self.text))}"


def via(project: str, chains: Chains) -> str:
    """Say by which requirement a project is here, and through which others."""
    found = chains.get(project, ())
    if not found:
        return ""
    way = " → ".join([found[0].where, *reversed(found[0].projects)])
    return f"via {way}" + (f" and {len(found) - 1} more" if found[1:] else "")


def about(rule: str, files: Sequence[File], fact: str, offer: Offer, *, is_checked: bool = True) -> Finding:
    """Return a finding about files of one version: what is wrong, which files, for whom, and why they are here."""
    one = files[0].distribution
    names = sorted(file.distribution.filename for file in files)
    keys = {key for file in files for key in file.serves}
    where = [few(names, _MOST_FILES), for_whom(keys, offer.keys), via(one.name, offer.chains)]
    text = f"{one.name} {one.version}: {fact} ({'; '.join(filter(None, where))})"
    return Finding(rule, one.name, str(one.version), text, is_checked)
