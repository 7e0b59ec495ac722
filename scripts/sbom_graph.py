"""What is offered -> which version needs which: the dependency graph of the SBOM, over every target of every lock."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence

from scripts.closure import Node, Served
from scripts.list_files import File
from scripts.need import Asked, need_of
from scripts.offer import Offer

# Stands for the requirements, which need what they name.
TOP = ""

_Leads = Sequence[tuple[File, Node]]
_Found = dict[str, list[_Leads]]  # what each version leads to; many lead to the same


def _asked(offer: Offer, served: Served, set_name: str) -> _Leads:
    """List what a set's requirements bring on a target, with the extras that they ask for."""
    chains = (chain for of_project in offer.chains.values() for chain in of_project)
    texts = dict.fromkeys(chain.requirement for chain in chains if chain.set_name == set_name)
    return [one for text in texts if served.holds(text) for one in served.leads_to(text)]


def _walk(served: Served, start: _Leads, refs: Mapping[str, str], found: _Found) -> None:
    todo, seen = deque(start), {node for _, node in start}
    followed: set[Asked] = set()
    while todo:
        file, node = todo.popleft()
        for need in served.needs(file, node.extra):
            leads, asked = served.leads_to(need), need_of(need).asked
            found[refs[node.filename]].append(leads)
            if asked not in followed:
                followed.add(asked)
                fresh = [one for one in leads if one[1] not in seen]
                seen.update(needed for _, needed in fresh)
                todo += fresh


def graph_of(offer: Offer, refs: Mapping[str, str]) -> Iterator[tuple[str, set[str]]]:
    """Yield each version, sorted, with those that it needs, on any target and with the extras that anything asks for.

    refs name a file's version, by file name. TOP needs what the requirements name. What is not served is left out, and
    so is what an sdist needs, which nobody knows without running its code.
    """
    found: _Found = {TOP: [], **{ref: [] for ref in refs.values()}}
    for key, served in offer.served.items():
        asked = _asked(offer, served, key.set_name)
        found[TOP].append(asked)
        own = [(file, Node(file.distribution.filename, "")) for file in served.pins(offer.files)]
        _walk(served, [*asked, *own], refs, found)
    for ref, every in sorted(found.items(), key=lambda item: item[0]):
        # An extra that asks for another extra is no need of another version.
        yield ref, {refs[node.filename] for leads in every for _, node in leads} - {ref}
