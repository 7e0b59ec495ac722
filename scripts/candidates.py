"""pip's package finder -> one that keeps to our sources: in-house wheels first and last, and nothing that is too young.

Like scripts/compile_target.py it leans on pip's internals.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from pip._internal.build_env.installer import SubprocessBuildEnvironmentInstaller
from pip._internal.exceptions import InstallationError
from pip._internal.index.package_finder import LinkEvaluator, LinkType, PackageFinder
from pip._internal.models.candidate import InstallationCandidate
from pip._internal.models.link import Link
from pip._vendor.packaging.utils import canonicalize_name

from scripts.first_party import FirstParty
from scripts.unsolved import Seen, identity
from scripts.versions import Versions

# What pip has itself: it is patched anew for each target.
_INSTALL = SubprocessBuildEnvironmentInstaller.install
_FIND_ALL, _EVALUATE = PackageFinder.find_all_candidates, LinkEvaluator.evaluate_link


class Sources(NamedTuple):
    """Where candidates may come from.

    private are patterns of names that only first_party may have, but for the versions in public. any_age are the
    versions that may be of any age.
    """

    first_party: FirstParty
    private: Sequence[str] = ()
    public: Sequence[Versions] = ()
    any_age: Sequence[Versions] = ()

    def _is_private(self, name: str) -> bool:
        return any(fnmatch.fnmatchcase(name, pattern) for pattern in self.private)

    def is_local(self, name: str) -> bool:
        """Whether the upstream must not even be asked for a project."""
        is_public = any(one.project == name for one in self.public)
        return name in self.first_party.names or (self._is_private(name) and not is_public)

    def links(self, name: str) -> list[Link]:
        """List the in-house wheels of a project."""
        wheels = self.first_party.wheels.items()
        links = (Link(f"{path.absolute().as_uri()}#sha256={sha256}") for sha256, path in wheels)
        return [link for link in links if (found := identity(link)) and found[0] == name]

    def is_refused(self, name: str, link: Link) -> bool:
        """Whether the upstream may be asked for a project, and not for this version of it."""
        return self._is_private(name) and not link.is_file and not _any_covers(self.public, name, link)

    def is_ageless(self, name: str, link: Link) -> bool:
        """Whether a waiver lets a file be of any age."""
        return _any_covers(self.any_age, name, link)


def _any_covers(versions: Sequence[Versions], name: str, link: Link) -> bool:
    # To parse a file name takes longer than to see that none is asked for.
    found = identity(link) if versions else None
    return found is not None and any(one.covers(name, str(found[1])) for one in versions)


def _patch_builds(sources: Sources) -> None:
    """Refuse an sdist whose build would fetch a name of our own: pip does that in a process that knows no sources."""
    installer: Any = SubprocessBuildEnvironmentInstaller

    def install_ours(self: Any, requirements: Iterable[str], *args: Any, **options: Any) -> None:
        needed = list(requirements)
        for text in needed:
            if sources.is_local(name := canonicalize_name(re.split(r"[^A-Za-z0-9._-]", text.strip(), maxsplit=1)[0])):
                fact = "a name of your own, which is kept from the upstream"
                raise InstallationError(f"to build an sdist needs {name}, {fact}; build a wheel of it in-house")
        _INSTALL(self, needed, *args, **options)

    installer.install = install_ours


def patch(sources: Sources, seen: Seen) -> None:
    """Make pip keep to the sources."""
    _patch_builds(sources)
    finder: Any = PackageFinder
    judge: Any = LinkEvaluator

    def find_all_candidates(self: Any, project_name: str) -> list[InstallationCandidate]:
        name = canonicalize_name(project_name)
        if sources.is_local(name) and project_name not in self._all_candidates:
            seen.keep_local(name)
            links, evaluator = sources.links(name), self.make_link_evaluator(project_name)
            seen.add(name, evaluator, lambda: links)
            self._all_candidates[project_name] = self.evaluate_links(evaluator, links)
        found: list[InstallationCandidate] = _FIND_ALL(self, project_name)
        return found

    def evaluate_link(self: Any, link: Link) -> tuple[LinkType, str]:
        if sources.is_refused(canonicalize_name(self.project_name), link):
            return LinkType.different_project, "a name of our own"
        prior_to = self._uploaded_prior_to
        if sources.is_ageless(canonicalize_name(self.project_name), link):
            self._uploaded_prior_to = None
        try:
            result: tuple[LinkType, str] = _EVALUATE(self, link)
        finally:
            self._uploaded_prior_to = prior_to
        # pip would stop at a file whose age nobody knows; to us it is one that may be too young.
        return (LinkType.upload_too_late, result[1]) if result[0] is LinkType.upload_time_missing else result

    finder.find_all_candidates, judge.evaluate_link = find_all_candidates, evaluate_link
