"""Offer, earlier releases -> who published each file, and findings where that is not as it was, or not proved.

A publisher is recorded on the release's pages once its provenance was verified. A project whose files had one keeps it:
a new file with another, or with none, is a finding for as long as no waiver excuses it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

from scripts.finding import Finding, about
from scripts.list_files import File
from scripts.memory import Memory
from scripts.offer import Offer
from scripts.rules import Rule

NAME = "attestations"


def attested(offer: Offer, memory: Memory) -> tuple[Offer, list[Finding]]:
    """Return the offer with the publishers of its files, and a finding for each provenance that does not verify."""
    files, found = [], []
    for file in offer.files:
        try:
            publisher = _publisher(file, memory)
        except ValueError as error:
            found.append(about(NAME, [file], str(error), offer))
            publisher = None
        files.append(file._replace(facts=file.facts._replace(publisher=publisher)))
    return dataclasses.replace(offer, files=files), found


def _publisher(file: File, memory: Memory) -> str | None:
    one, provenance = file.distribution, file.facts.provenance
    if provenance is None:
        return None
    if known := memory.publisher(one.name, one.sha256, provenance):
        return known
    from scripts import attestations  # takes longer to import than most runs to judge

    return attestations.publisher(provenance, one.filename, one.sha256)


def findings(offer: Offer, memory: Memory, rule: Rule) -> Iterator[Finding]:
    """Yield what is required and not there, and each publisher that is not the one that the project had."""
    for name in sorted(set(rule.names) - set(offer.projects)):
        yield Finding(NAME, "", "", f"{name} is required to have one, and no lock names it", is_checked=False)
    for name, files in offer.projects.items():
        before = memory.publishers(name)
        for file in files:
            if not file.facts.first_party and (fact := _fact(file, before, name in rule.names)):
                yield about(NAME, [file], fact, offer)


def _fact(file: File, before: dict[str, str], is_required: bool) -> str | None:
    now = file.facts.publisher
    if now is None and file.facts.provenance is not None:
        return None  # it does not verify, which is told already
    had = sorted(set(filter(None, before.values())))
    if had and file.distribution.sha256 not in before and now not in had:
        return f"published by {now}, its project before by {', '.join(had)}" if now else _vanished(had)
    return "has no attestation, which `require` asks for" if is_required and now is None else None


def _vanished(had: Sequence[str]) -> str:
    return f"has no attestation; what its project had before was published by {', '.join(had)}"
