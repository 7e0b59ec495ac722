"""What is offered, a built site -> findings: the requirements that nobody can resolve from what is served.

Most are proved by a choice of files that meets all that they need. Where the first choice ends in a conflict, pip
resolves the requirement against the built pages alone, from `file://`.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from scripts.closure import Served
from scripts.closure_check import RULE, Check
from scripts.compilers import Compilers
from scripts.config import Config
from scripts.finding import Finding
from scripts.first_choice import first_choice
from scripts.locks import Key
from scripts.need import need_of
from scripts.offer import Offer
from scripts.pip_environment import environment_for
from scripts.requirements import Line, RequirementFile, RequirementSet
from scripts.rules import Policy
from scripts.solve import Job, compile_layer
from scripts.target_names import target_names
from scripts.terminal import side_by_side


class Question(NamedTuple):
    """A requirement to resolve on the target of a lock, by itself."""

    key: Key
    line: Line


def doubtful(check: Check) -> list[Question]:
    """List the requirements whose first choice of files is no proof; what misses a file is told as a gap."""
    return [Question(key, line) for key in check.served for line in _doubtful(check, key)]


def _doubtful(check: Check, key: Key) -> list[Line]:
    served, roots = check.served[key], check.roots(key)
    if first_choice(served, [line.text for line in roots]) == "solved":
        return []
    doubts = {"conflict"} if check.missing[key] else {"conflict", "missing"}
    return [line for line in roots if first_choice(served, [line.text]) in doubts]


def findings(offer: Offer, questions: list[Question], settings: Config, tree: Path) -> list[Finding]:
    """Ask pip each question; tree is a folder with `simple/` and `packages/`, as a server would show them."""
    found: dict[tuple[Line, str], list[Key]] = {}
    with Compilers(environment_for(f"{tree.as_uri()}/simple")) as compilers:
        jobs = [(_job(one, settings, compilers), one) for one in questions]
        for (_, one), reason in side_by_side(_ask, jobs, at_once=os.cpu_count() or 1):
            if reason:
                found.setdefault((one.line, reason), []).append(one.key)
    return [_finding(offer, line, reason, targets) for (line, reason), targets in found.items()]


def _job(one: Question, settings: Config, compilers: Compilers) -> Job:
    alone = RequirementSet(one.key.set_name, (RequirementFile(one.line.path, (one.line,)),))
    # Nothing of the lock's own rules: a client knows none of them.
    plain = settings._replace(resolve_deps=True, allow_sdists=(), policy=Policy(), first_party="")
    # What the lock pins is no more than one of the choices.
    return Job(one.key, alone, plain, compilers, ("--upgrade",))


def _ask(asked: tuple[Job, Question]) -> str:
    """Let pip resolve; returns why it cannot."""
    job, _ = asked
    try:
        compile_layer(job, job.requirements)
    except RuntimeError as error:
        return str(error).replace("the upstream", "the index")
    return ""


def _finding(offer: Offer, line: Line, reason: str, keys: list[Key]) -> Finding:
    asked = line.text
    version = max((file.distribution.version for key in keys for file in offer.served[key].meets(asked)), default="")
    # pip would have to build an sdist to know what it needs.
    is_checked = not any(_reaches_sdist(offer.served[key], asked) for key in keys)
    targets = target_names(key.target for key in keys)
    text = f"{line.where}: {asked} cannot be resolved for {targets}: {' '.join(reason.split())}"
    return Finding(RULE, line.name, str(version), text, is_checked)


def _reaches_sdist(served: Served, asked: str) -> bool:
    todo, seen = [asked], {asked}
    while todo:
        need = todo.pop()
        for file in served.meets(need):
            if file.distribution.metadata is None:
                return True
            more = {text for extra in need_of(need).asked.extras for text in served.needs(file, extra)} - seen
            seen |= more
            todo += more
    return False
