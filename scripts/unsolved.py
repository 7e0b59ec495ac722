"""What pip cannot resolve -> sentences: who asks for it, and what the upstream has instead.

pip's own report names the requirement and "from versions: none" when no file fits, and says why only in its debug log.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from packaging.utils import InvalidSdistFilename, InvalidWheelFilename, parse_sdist_filename, parse_wheel_filename
from packaging.version import Version
from pip._internal.index.package_finder import LinkEvaluator, LinkType
from pip._internal.models.link import Link
from pip._internal.req import InstallRequirement
from pip._internal.resolution.resolvelib.requirements import RequiresPythonRequirement
from pip._vendor.packaging.specifiers import SpecifierSet

MOST = 10  # files, or versions, that one sentence lists
_ORIGIN = re.compile(r"-[rc] (.*) \(line (\d+)\)")


def identity(link: Link) -> tuple[str, Version] | None:
    """Return the project and version that a link's file name says; None where it is no such name."""
    try:
        name, version, *_ = (parse_wheel_filename if link.is_wheel else parse_sdist_filename)(link.filename)
    except (InvalidWheelFilename, InvalidSdistFilename):
        return None
    return name, version


def _newest(texts: Iterable[str]) -> str:
    listed = list(dict.fromkeys(texts))
    return ", ".join(["…"] * (len(listed) > MOST) + listed[-MOST:])


def _is_pinned(specifier: SpecifierSet) -> bool:
    return any(one.operator in {"==", "==="} and not one.version.endswith(".*") for one in specifier)


class Seen:
    """The links that pip saw of each project, taken or not."""

    def __init__(self) -> None:
        self._pages: dict[str, list[tuple[LinkEvaluator, Callable[[], Iterable[Link]]]]] = {}
        self._local: set[str] = set()

    def add(self, project: str, evaluator: LinkEvaluator, links: Callable[[], Iterable[Link]]) -> None:
        """Remember what lists a page's links, and what judges them; few are ever asked for."""
        self._pages.setdefault(project, []).append((evaluator, links))

    def forget(self) -> None:
        """Begin anew, for another target."""
        self._pages.clear()
        self._local.clear()

    def keep_local(self, project: str) -> None:
        """Remember that the upstream is not asked for a project."""
        self._local.add(project)

    def _links(self, project: str) -> list[tuple[Version, LinkEvaluator, Link]]:
        pages = self._pages.get(project, ())
        links = ((evaluator, link) for evaluator, links in pages for link in links())
        found = [(found[1], evaluator, link) for evaluator, link in links if (found := identity(link))]
        return sorted(found, key=lambda one: (one[0], one[2].filename))

    def instead(self, project: str, specifier: SpecifierSet) -> str | None:
        """Say what the upstream has where nothing of a project can be taken; None where something can."""
        links = self._links(project)
        source = "first_party" if project in self._local else "the upstream"
        if not links and project in self._local:
            return "it is kept from the upstream as a name of your own; put a wheel of it into first_party"
        if not links:
            return "the upstream has no such project; correct the name"
        wanted = [one for one in links if specifier.contains(str(one[0]), prereleases=True)]
        if not wanted:
            return f"{source} has no such version; name one of {_newest(str(version) for version, *_ in links)}"
        if any(self._fits(evaluator, link, specifier) for _, evaluator, link in wanted):
            return None
        if young := [(evaluator, link) for _, evaluator, link in wanted if self._is_too_young(evaluator, link)]:
            files = _newest(self._described(evaluator, link) for evaluator, link in young)
            return f"min_age_days lets in no file that fits: {files}; name an older version, or waive the rule for it"
        files = _newest(self._described(evaluator, link) for _, evaluator, link in wanted)
        sdists = "" if all(link.is_wheel for *_, link in wanted) else f", or put {project} on allow_sdists"
        return f"no file fits the target; {source} has {files}; name another version or target{sdists}"

    def _fits(self, evaluator: LinkEvaluator, link: Link, specifier: SpecifierSet) -> bool:
        fits = evaluator.evaluate_link(link)[0] is LinkType.candidate
        return fits and (not link.is_yanked or _is_pinned(specifier))

    def _is_too_young(self, evaluator: LinkEvaluator, link: Link) -> bool:
        return link.is_wheel and evaluator.evaluate_link(link)[0] is LinkType.upload_too_late

    def _described(self, evaluator: LinkEvaluator, link: Link) -> str:
        if evaluator.evaluate_link(link)[0] is LinkType.requires_python_mismatch:
            return f"{link.filename} (Requires-Python {link.requires_python})"
        if evaluator.evaluate_link(link)[0] is LinkType.upload_too_late:
            age = f"{link.upload_time:%Y-%m-%d}, too young" if link.upload_time else "at a time that nobody tells"
            return f"{link.filename} (uploaded {age})"
        return f"{link.filename} (yanked)" if link.is_yanked else link.filename


def _origin(ireq: InstallRequirement) -> str:
    match = _ORIGIN.fullmatch(str(ireq.comes_from))
    if not match:
        return str(ireq.comes_from or "PACKAGE")
    return "packages.yaml: packages" if match[1] == "packages.yaml" else f"{match[1]}:{match[2]}"


def origin(ireq: InstallRequirement) -> str:
    """`file:line` of a requirement that a person wrote, as errors begin; the first, where several say the same."""
    sources: list[InstallRequirement] = getattr(ireq, "_source_ireqs", [ireq])
    return min(_origin(one) for one in sources if one.constraint == ireq.constraint)


def _refused(project: str, failures: Mapping[Link, Exception]) -> str:
    files = sorted(
        (link.filename, str(error)) for link, error in failures.items() if (identity(link) or [""])[0] == project
    )
    reasons = [f"pip refuses {name}: {' '.join(error.split())}" for name, error in files]
    return "; ".join([*reasons, "name another version"]) if reasons else ""


class Failure(NamedTuple):
    """What pip knows of a resolution that failed: each cause is (requirement, the candidate that needs it or None)."""

    causes: Sequence[tuple[Any, Any]]
    constraints: Mapping[str, Any]
    refused: Mapping[Link, Exception]

    def _line(self, seen: Seen, requirement: Any, parent: Any) -> str:
        if isinstance(requirement, RequiresPythonRequirement):
            return f"{parent.name} {parent.version} needs Python {requirement.specifier}"
        ireq, project = requirement.get_candidate_lookup()[1], requirement.project_name
        if ireq is None:  # the project itself, of which an extra was asked for
            return f"{parent.name} {parent.version} needs {requirement}" if parent else str(requirement)
        text = f"{parent.name} {parent.version} needs {ireq.req}" if parent else f"{origin(ireq)}: {ireq.req}"
        fact = seen.instead(project, ireq.specifier) or _refused(project, self.refused)
        if not fact and len(self.causes) == 1 and requirement.name not in self.constraints:
            fact = "the metadata of each file that fits is invalid; name another version"
        return f"{text}: {fact}" if fact else text

    def explain(self, seen: Seen) -> str:
        """Put into words why no choice of versions will do."""
        lines = sorted({self._line(seen, requirement, parent) for requirement, parent in self.causes})
        for name in sorted({requirement.name for requirement, _ in self.causes} & set(self.constraints)):
            lines.append(f"a constraint, or another pin, asks for {name}{self.constraints[name].specifier}")
        if len(lines) == 1:
            return lines[0]
        more = [f"  and {len(lines) - MOST} more"] if lines[MOST:] else []
        return "\n".join(["these exclude each other:", *(f"  {line}" for line in lines[:MOST]), *more])
