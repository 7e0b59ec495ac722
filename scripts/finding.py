"""A fact, a file -> Finding: the sentence in which closure or a rule of the policy says what is wrong, and for whom."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from scripts.list_files import File
from scripts.target_names import for_whom
from scripts.texts import printable
from scripts.why import Chain

Chains = Mapping[str, Sequence[Chain]]


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
        return printable(f"{self.rule}: {self.text}")


def via(project: str, chains: Chains) -> str:
    """Say by which requirement a project is here, and through which others."""
    found = chains.get(project, ())
    if not found:
        return ""
    way = " → ".join([found[0].where, *reversed(found[0].projects)])
    return f"via {way}" + (f" and {len(found) - 1} more" if found[1:] else "")


def about(rule: str, file: File, fact: str, chains: Chains, *, is_checked: bool = True) -> Finding:
    """Return a finding about one file: project, version, file, for whom, and through which requirement it is here."""
    one = file.distribution
    where = "; ".join(filter(None, [one.filename, for_whom(file.serves), via(one.name, chains)]))
    text = f"{one.name} {one.version} ({where}): {fact}"
    return Finding(rule, one.name, str(one.version), text, is_checked)
