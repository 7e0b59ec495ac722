"""pip's package finder -> one that keeps to our sources: in-house wheels first and last, and nothing that is too young.

Like scripts/compile_target.py it leans on pip's internals.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence
from typing import Any, NamedTuple

from packaging.specifiers import SpecifierSet
from pip._internal.index.package_finder import LinkEvaluator, LinkType, PackageFinder
from pip._internal.models.candidate import InstallationCandidate
from pip._internal.models.link import Link
from pip._vendor.packaging.utils import canonicalize_name

from scripts.first_party import FirstParty
from scripts.unsolved import Seen, identity


class Sources(NamedTuple):
    """Where candidates may come from.

    private are patterns of names that only first_party may have, but for those in public. waived maps names to the
    versions that may be of any age.
    """

    first_party: FirstParty
    private: Sequence[str] = ()
    public: Sequence[str] = ()
    waived: Sequence[tuple[str, SpecifierSet]] = ()

    def is_local(self, name: str) -> bool:
        """Whether the upstream must not even be asked for a project."""
        is_private = any(fnmatch.fnmatchcase(name, pattern) for pattern in self.private) and name not in self.public
        return is_private or name in self.first_party.names

    def links(self, name: str) -> list[Link]:
        """List the in-house wheels of a project."""
        wheels = self.first_party.wheels.items()
        links = (Link(f"{path.absolute().as_uri()}#sha256={sha256}") for sha256, path in wheels)
        return [link for link in links if (found := identity(link)) and found[0] == name]

    def is_ageless(self, name: str, link: Link) -> bool:
        """Whether a waiver lets a file be of any age."""
        found = identity(link)
        return found is not None and any(
            name == project and versions.contains(str(found[1]), prereleases=True) for project, versions in self.waived
        )


def patch(sources: Sources, seen: Seen) -> None:
    """Make pip keep to the sources."""
    finder: Any = PackageFinder
    evaluator: Any = LinkEvaluator
    find_all, evaluate = finder.find_all_candidates, evaluator.evaluate_link

    def find_all_candidates(self: Any, project_name: str) -> list[InstallationCandidate]:
        name = canonicalize_name(project_name)
        if sources.is_local(name) and project_name not in self._all_candidates:
            seen.keep_local(name)
            links = sources.links(name)
            self._all_candidates[project_name] = self.evaluate_links(self.make_link_evaluator(project_name), links)
        found: list[InstallationCandidate] = find_all(self, project_name)
        return found

    def evaluate_link(self: Any, link: Link) -> tuple[LinkType, str]:
        prior_to = self._uploaded_prior_to
        if sources.is_ageless(canonicalize_name(self.project_name), link):
            self._uploaded_prior_to = None
        try:
            result: tuple[LinkType, str] = evaluate(self, link)
        finally:
            self._uploaded_prior_to = prior_to
        # pip would stop at a file whose age nobody knows; to us it is one that may be too young.
        return (LinkType.upload_too_late, result[1]) if result[0] is LinkType.upload_time_missing else result

    finder.find_all_candidates, evaluator.evaluate_link = find_all_candidates, evaluate_link
