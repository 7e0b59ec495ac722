"""What is offered -> which version needs which: the dependency graph of the SBOM, over every target of every lock."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import groupby
from typing import NamedTuple

from scripts.closure import Node, Served
from scripts.list_files import File
from scripts.locks import Key
from scripts.need import Asked, need_of
from scripts.offer import Offer

# Stands for the requirements, which need what they name.
TOP = ""

_Leads = Sequence[tuple[File, Node]]


def _asked(offer: Offer, served: Served, set_name: str) -> _Leads:
    """List what a set's requirements bring on a target, with the extras that they ask for."""
    chains = (chain for of_project in offer.chains.values() for chain in of_project)
    texts = dict.fromkeys(chain.requirement for chain in chains if chain.set_name == set_name)
    return [one for text in texts if served.holds(text) for one in served.leads_to(text)]


class _Reached(NamedTuple):
    """What a target gets, from its requirements and its lock: files and extras, each as a node."""

    served: Served
    nodes: Collection[Node]

    def leads(self, file: File, extra: str) -> Iterator[tuple[File, Node]]:
        """Yield what a file brings with an extra, if it is reached with that; "" is for what it always brings."""
        if Node(file.distribution.filename, extra) in self.nodes:
            for need in self.served.needs(file, extra):
                yield from self.served.leads_to(need)


def _reached(offer: Offer, key: Key, asked: _Leads) -> _Reached:
    served = offer.served[key]
    own = ((file, Node(file.distribution.filename, "")) for file in served.pins(offer.files))
    todo = deque([*asked, *own])
    seen = {node for _, node in todo}
    followed: set[Asked] = set()
    while todo:
        file, node = todo.popleft()
        for need in served.needs(file, node.extra):
            if (wanted := need_of(need).asked) not in followed:
                followed.add(wanted)
                fresh = [one for one in served.leads_to(need) if one[1] not in seen]
                seen.update(node for _, node in fresh)
                todo += fresh
    return _Reached(served, seen)


def graph_of(offer: Offer, refs: Mapping[str, str]) -> Iterator[tuple[str, set[str]]]:
    """Yield each version, sorted, with those that it needs, on any target and with the extras that anything asks for.

    refs name a file's version, by file name. TOP needs what the requirements name. What is not served is left out, and
    so is what an sdist needs, which nobody knows without running its code.
    """
    asked = {key: _asked(offer, served, key.set_name) for key, served in offer.served.items()}
    yield TOP, {refs[node.filename] for leads in asked.values() for _, node in leads}
    targets = [_reached(offer, key, leads) for key, leads in asked.items()]
    extras: dict[str, set[str]] = {}
    for node in (node for target in targets for node in target.nodes if node.extra):
        extras.setdefault(node.filename, set()).add(node.extra)

    def needed(file: File) -> Iterator[str]:
        for extra in ("", *extras.get(file.distribution.filename, ())):
            for target in targets:
                yield from (refs[node.filename] for _, node in target.leads(file, extra))

    def ref_of(file: File) -> str:
        return refs[file.distribution.filename]

    for ref, files in groupby(sorted(offer.files, key=ref_of), ref_of):
        # An extra that asks for another extra is no need of another version.
        yield ref, {other for file in files for other in needed(file)} - {ref}
