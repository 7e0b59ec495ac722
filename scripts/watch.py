"""The live release, the upstream of today -> a line an item: what became of what is served since it was approved.

Red: a file was yanked, deleted or swapped, a project is quarantined or gone, an advisory is known. Yellow: a project
was archived or deprecated. What could not be had is `not checked`. In-house projects are nobody's business: nobody is
asked about them.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from scripts import advisories, config, first_party, locks, since, variables, waivers
from scripts.advisories import Pin
from scripts.config import Config
from scripts.finding import Finding
from scripts.list_files import File
from scripts.offer import Offer
from scripts.page import Page
from scripts.people import count
from scripts.pip_environment import pip_environment
from scripts.root import opened_to_read
from scripts.served import Served, read_live
from scripts.since import Context
from scripts.terminal import Progress, run, side_by_side
from scripts.texts import printable
from scripts.upstream import Upstream, UpstreamError
from scripts.why import chains

_AT_ONCE = 8
_KINDS = ("red", "not checked", "yellow", "waived")
_Answers = Mapping[str, Page | UpstreamError | None]


def _of_others(served: Served, settings: Config) -> tuple[list[str], list[Finding]]:
    """Return the projects that an upstream may be asked about, and those of others whose name it must not hear."""
    ours, asked, kept = first_party.read(settings.first_party).names, [], []
    for name, files in served.projects.items():
        if name in ours or any(file.facts.first_party for file in files):
            continue
        if pattern := settings.policy.pinned_names.pattern_of(name):
            text = f'{name}: the policy\'s "{pattern}" keeps its name from the upstream'
            kept.append(Finding("unknown", name, "", text, is_checked=False))
        else:
            asked.append(name)
    return asked, kept


def _ask(names: Sequence[str], environment: Mapping[str, str], deadline: float, progress: Progress) -> _Answers:
    """Return each project's page, or why it cannot be had. Raises SystemExit where none can."""
    upstream = Upstream(environment, deadline)

    def page(name: str) -> Page | UpstreamError | None:
        try:
            return upstream.pages([name])[name]
        except UpstreamError as error:
            return error

    found: dict[str, Page | UpstreamError | None] = {}
    for name, answer in side_by_side(page, names, at_once=_AT_ONCE):
        found[name] = answer
        progress.show(f"Asking: {len(found)} of {count(len(names), 'project')}")
    failed = [answer for _, answer in sorted(found.items()) if isinstance(answer, UpstreamError)]
    if failed and len(failed) == len(found):
        raise SystemExit(f"nothing is compared: {failed[0]}")
    return found


def _pages_findings(served: Served, answers: _Answers, context: Context) -> Iterator[Finding]:
    for name, answer in answers.items():
        if isinstance(answer, UpstreamError):
            yield Finding("unknown", name, "", f"{name}: {answer}", is_checked=False)
        else:
            yield from since.project(served.projects[name], answer, served.statuses[name], context)


def _advisories_findings(
    served: Served, answers: _Answers, context: Context, environment: Mapping[str, str], limit: float
) -> Iterator[Finding]:
    rule = context.settings.policy.vulnerabilities
    versions: dict[Pin, list[File]] = {}
    for file in (file for name in answers for file in served.projects[name]):
        versions.setdefault((file.distribution.name, str(file.distribution.version)), []).append(file)
    pages = {name: answer for name, answer in answers.items() if isinstance(answer, Page)}
    audit = advisories.find(versions, rule.service, rule.url, environment, limit=limit)
    yield from since.advisories(audit, versions, pages, context)


def _sorted(findings: Sequence[Finding]) -> dict[str, list[str]]:
    """Return the sentences of each kind; what somebody answers for today is waived."""
    good = [one for one in waivers.load(Path()) if one.expires >= waivers.today()]
    lines: dict[str, list[str]] = {kind: [] for kind in _KINDS}
    for finding in findings:
        lines[_kind(finding, good)].append(printable(finding.text))
    return {kind: sorted(found) for kind, found in lines.items()}


def _kind(finding: Finding, good: Sequence[waivers.Waiver]) -> str:
    if not finding.is_checked:
        return "not checked"
    if any(one.covers(finding) for one in good):
        return "waived"
    return "red" if finding.rule in since.RED else "yellow"


def _findings(served: Served, settings: Config, upstream: str, timeout: int) -> tuple[list[Finding], int]:
    """Compare everything; returns what is found, and how many projects were asked about."""
    environment, deadline = pip_environment(upstream), time.monotonic() + timeout
    files = [file for of_project in served.projects.values() for file in of_project]
    context = Context(settings, Offer(files, chains=chains(settings.sets, locks.existing())))
    progress, (names, kept) = Progress(), _of_others(served, settings)
    try:
        answers = _ask(names, environment, deadline, progress)
        left = max(1.0, deadline - time.monotonic())
        progress.show("Asking for advisories …")
        told = list(_advisories_findings(served, answers, context, environment, left))
    finally:
        progress.clear()
    return [*kept, *_pages_findings(served, answers, context), *told], len(answers)


def main(argv: Sequence[str] | None = None) -> int:
    """Return 1 where something is red; raises SystemExit where there is nothing to compare."""
    args = variables.parser(__doc__, "root", "upstream", "fetch-timeout").parse_args(argv)
    settings = config.load(Path())
    with opened_to_read(args.root) as root:
        served = read_live(root)
    findings, asked = _findings(served, settings, args.upstream, args.fetch_timeout)
    lines = _sorted(findings)
    print("".join(f"{kind}: {line}\n" for kind in _KINDS[:-1] for line in lines[kind]), end="")
    numbers = ", ".join(f"{len(found)} {kind}" for kind, found in lines.items())
    print(f"{args.root}: {served.release}: {count(asked, 'project')} compared with the upstream: {numbers}")
    return 1 if lines["red"] else 0


if __name__ == "__main__":
    raise SystemExit(run(main))
