"""Requirements, what a target is offered -> whether the best file for each need is a solution, a proof of one."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence

from scripts.closure import Node, Served
from scripts.list_files import File
from scripts.need import need_of

_MOST_CHOICES = 20


def first_choice(served: Served, asked: Sequence[str]) -> str:
    """Take the best file for each need as it comes: "solved" is a proof that there is a full solution.

    "missing": a need is met by nothing. "conflict": two needs of a project were met by no file that both accept, and
    that a resolver may get round by other files of those that have the needs.
    """
    known: dict[str, list[str]] = {}
    for _ in range(_MOST_CHOICES):
        try:
            return "missing" if _choose(served, asked, known) else "solved"
        except _ConflictError as conflict:
            # The file was chosen before this need was known.
            known.setdefault(need_of(conflict.need).asked.project, []).append(conflict.need)
    return "conflict"


class _ConflictError(Exception):
    def __init__(self, need: str) -> None:
        self.need = need


def _choose(served: Served, asked: Sequence[str], known: Mapping[str, Sequence[str]]) -> str | None:
    """Choose a file for each project, one that meets the needs that are known; returns a need that nothing meets."""
    chosen: dict[str, File] = {}
    seen: set[Node] = set()
    todo = deque(asked)
    while todo:
        need = todo.popleft()
        asked_for, met = need_of(need).asked, served.meets(need)
        project = asked_for.project
        if not met:
            return need
        if project not in chosen:
            best = (file for file in met if all(file in served.meets(other) for other in known.get(project, ())))
            chosen[project] = next(best, met[0])
        if chosen[project] not in met:
            raise _ConflictError(need)
        for extra in asked_for.extras:
            if (node := Node(chosen[project].distribution.filename, extra)) not in seen:
                seen.add(node)
                todo.extend(served.needs(chosen[project], extra))
    return None
