"""What is offered -> which version needs which: the dependency graph of the SBOM, over every target of every lock."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

from scripts.closure import Node, Served, parse
from scripts.list_files import File
from scripts.offer import Offer

# Stands for the requirements, which need what they name.
TOP = ""

Graph = dict[str, set[str]]


def _asked(offer: Offer, served: Served, set_name: str) -> list[tuple[File, Node]]:
    """List what a set's requirements bring on a target, with the extras that they ask for."""
    chains = (chain for of_project in offer.chains.values() for chain in of_project)
    texts = dict.fromkeys(chain.requirement for chain in chains if chain.set_name == set_name)
    return [one for text in texts if served.holds(parse(text).marker) for one in served.leads_to(text)]


def _walk(served: Served, start: list[tuple[File, Node]], refs: Mapping[str, str], graph: Graph) -> None:
    todo, seen = deque(start), {node for _, node in start}
    while todo:
        file, node = todo.popleft()
        for need in served.needs(file, node.extra):
            for one, needed in served.leads_to(need):
                graph[refs[node.filename]].add(refs[needed.filename])
                if needed not in seen:
                    seen.add(needed)
                    todo.append((one, needed))


def graph_of(offer: Offer, refs: Mapping[str, str]) -> Graph:
    """Map each version to those that it needs, on any target and with the extras that anything there asks for.

    refs name a file's version, by file name. TOP needs what the requirements name. What is not served is left out, and
    so is what an sdist needs, which nobody knows without running its code.
    """
    graph: Graph = {TOP: set(), **{ref: set() for ref in refs.values()}}
    for key, served in offer.served.items():
        asked = _asked(offer, served, key.set_name)
        graph[TOP].update(refs[node.filename] for _, node in asked)
        own = [(file, Node(file.distribution.filename, "")) for file in served.pins(offer.files)]
        _walk(served, [*asked, *own], refs, graph)
    for ref, needed in graph.items():
        needed.discard(ref)  # an extra that asks for another extra
    return graph
