"""pip-compile's arguments -> its output, for one target after another, none of which need be this machine.

pip resolves for the interpreter that runs it, and pip-tools follows it: neither has an option for another one. While it
resolves the target is put in that interpreter's place:

  * wheel tags: the package finder gets the target's `TargetPython`;
  * Requires-Python: the resolver gets the target's version;
  * markers: `packaging.markers` (pip's vendored copy) gets the target's environment.

More differs from stock pip-compile. Only wheels are candidates, save for the names that may come as an sdist; what else
is none, scripts/candidates.py says. A pin's hash is that of the one file that the target takes, read from the index's
own link. An index that cannot be read is an error, where pip goes on as if it were empty. And a failure is told in
sentences of our own.

All of this leans on pip's and pip-tools' internals, which scripts/requirements.txt pins; `tests/uv_test.py` compares
the outcome with uv's, so that an upgrade that breaks it is seen.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import socket
from collections.abc import Sequence
from typing import Any

from pip._internal.commands.install import InstallCommand
from pip._internal.exceptions import DiagnosticPipError, DistributionNotFound, HashError, InstallationError, PipError
from pip._internal.index import collector
from pip._internal.index.package_finder import LinkEvaluator, PackageFinder
from pip._internal.models.format_control import FormatControl
from pip._internal.models.link import Link, supported_hashes
from pip._internal.models.target_python import TargetPython
from pip._internal.req import InstallRequirement
from pip._internal.resolution.resolvelib.factory import Factory
from pip._internal.utils.misc import redact_auth_from_url
from pip._vendor.packaging import markers
from pip._vendor.packaging.specifiers import SpecifierSet
from pip._vendor.packaging.tags import Tag
from pip._vendor.packaging.utils import canonicalize_name
from pip._vendor.packaging.version import Version
from pip._vendor.requests import RequestException
from piptools.exceptions import PipToolsError
from piptools.repositories import LocalRequirementsRepository, PyPIRepository
from piptools.resolver import BacktrackingResolver
from piptools.scripts import compile as pip_compile

from scripts import candidates, first_party, remembered
from scripts.links import promising
from scripts.target import Target
from scripts.unsolved import Failure, Seen, origin
from scripts.versions import Versions

_SEEN = Seen()
# What pip has itself: it is patched anew for each target.
_BUILD_FINDER: Any = InstallCommand._build_package_finder
_MAKE_RESOLVER: Any = InstallCommand.make_resolver
_ENSURE_API: Any = collector._ensure_api_header


class _WheelsOnly(FormatControl):
    """`--only-binary=:all:`, except that the allowed names may be an sdist or a wheel: pip has no option for that."""

    __slots__ = ("allowed",)

    def __init__(self, allowed: frozenset[str]) -> None:
        super().__init__(only_binary={":all:"})
        self.allowed = allowed

    def get_allowed_formats(self, canonical_name: str) -> frozenset[str]:
        if canonical_name in self.allowed:
            return frozenset({"binary", "source"})
        return super().get_allowed_formats(canonical_name)


class _PinsOnly(BacktrackingResolver):
    """Takes each requirement as it stands, without its dependencies: no metadata is read and nothing is built."""

    def resolve(self, max_rounds: int = 10) -> set[InstallRequirement]:  # noqa: ARG002
        ireqs = [ireq for ireq in self._constraints_map.values() if not ireq.constraint]
        missing = [reason for ireq in ireqs if (reason := self._pin(ireq))]
        if missing:
            raise DistributionNotFound("\n".join(sorted(missing)))
        return set(ireqs)

    def _pin(self, ireq: InstallRequirement) -> str | None:
        """Give a requirement its one file; returns the reason where there is none."""
        project, versions = canonicalize_name(str(ireq.name)), {one.version for one in ireq.specifier}
        candidates = self.finder.find_best_candidate(project, ireq.specifier).applicable_candidates
        # `==1.0` lets 1.0+local in, and prefers it: as a pin it means 1.0.
        exact = [one for one in candidates if any(one.version == Version(text) for text in versions)]
        best = self.finder.make_candidate_evaluator(project).sort_best_candidate(exact)
        if best is None:
            instead = _SEEN.instead(project, ireq.specifier) or "only local versions fit; name one in full"
            return f"{origin(ireq)}: {ireq.req}: {instead}"
        ireq.link, req = best.link, ireq.req
        if req:
            req.specifier = SpecifierSet(f"=={best.version}")
        return None


class _TargetPython(TargetPython):
    """pip's own, with the target's tags in the order in which such a machine prefers them."""

    def __init__(self, target: Target) -> None:
        super().__init__(py_version_info=target.version)
        self._valid_tags = [Tag(tag.interpreter, tag.abi, tag.platform) for tag in target.tags]


def _patch_target(target: Target, allowed_sdists: frozenset[str]) -> None:
    command: Any = InstallCommand

    def build_finder_for_target(self: InstallCommand, options: Any, session: Any) -> PackageFinder:
        options.format_control = _WheelsOnly(allowed_sdists)
        finder: PackageFinder = _BUILD_FINDER(self, options, session, target_python=_TargetPython(target))
        return finder

    command._build_package_finder = build_finder_for_target
    command.make_resolver = functools.partial(_MAKE_RESOLVER, py_version_info=target.version)
    vars(markers)["default_environment"] = lambda: dict(target.environment)


def _hashes(repository: PyPIRepository, ireq: InstallRequirement) -> set[str]:
    link: Any = ireq.link
    sha256 = supported_hashes(link._hashes) or {}
    # An index without sha256 on its links leaves no other way than to read this one file.
    return {f"sha256:{sha256['sha256']}" if "sha256" in sha256 else repository._get_file_hash(link)}


def _kept_hashes(local: LocalRequirementsRepository, ireq: InstallRequirement) -> set[str]:
    """Keep a pin's file where the upstream still offers it to this target; what is written by hand is not trusted."""
    hashes: set[str] = local.repository.get_hashes(ireq)
    pin, version = local.existing_pins.get(canonicalize_name(str(ireq.name))), Version(str(ireq.specifier).lstrip("="))
    kept = set(pin.hash_options.get("sha256", ())) if pin else set()
    candidates = local.finder.find_all_candidates(canonicalize_name(str(ireq.name)))
    offered = {one.link._hashes.get("sha256") for one in candidates if one.version == version}
    return {f"sha256:{one}" for one in kept & offered} or hashes


def _unreadable(url: str, reason: str | Exception) -> InstallationError:
    url = redact_auth_from_url(url)
    if isinstance(reason, ValueError | TypeError | KeyError | AttributeError | collector._NotAPIContent):
        return InstallationError(f"{url}: not a page of a package index; is UPSTREAM right?")
    response, cause = getattr(reason, "response", None), next(iter(getattr(reason, "args", ())), None)
    why = getattr(cause, "reason", None) or next(iter(getattr(cause, "args", ())), None) or reason
    why = f"HTTP {response.status_code}" if response is not None else why
    return InstallationError(f"{url}: {why}; is UPSTREAM right, and up?")


def _fail_on_page(link: Link, reason: str | Exception, **_: object) -> None:
    response = getattr(reason, "response", None)
    if getattr(response, "status_code", None) != 404:
        raise _unreadable(link.url, reason)


def _patch_index() -> None:
    """Make pip say what is wrong with the upstream, and remember what it passes over."""
    finder: Any = PackageFinder

    def process_project_url(self: Any, project_url: Link, link_evaluator: LinkEvaluator) -> Any:
        name = link_evaluator.project_name
        try:
            page = self._link_collector.fetch_response(project_url, package_name=name)
            if page is None:
                return []
            _SEEN.add(canonicalize_name(name), link_evaluator, functools.partial(collector.parse_links, page))
            return self.evaluate_links(link_evaluator, promising(page, link_evaluator))
        except (RequestException, ValueError, TypeError, KeyError, AttributeError) as error:
            raise _unreadable(project_url.url, error) from None

    def ensure_api_header(response: Any) -> None:
        try:
            _ENSURE_API(response)
        except collector._NotAPIContent as error:
            raise _unreadable(response.url, error) from None

    finder.process_project_url = process_project_url
    vars(collector).update(_handle_get_simple_fail=_fail_on_page, _ensure_api_header=ensure_api_header)


def _patch_results(*, pins_only: bool) -> None:
    factory: Any = Factory
    factory.get_installation_error = lambda self, error, constraints: DistributionNotFound(
        Failure(error.causes, constraints, self._build_failures).explain(_SEEN)
    )
    vars(pip_compile)["BacktrackingResolver"] = _PinsOnly if pins_only else BacktrackingResolver
    repositories: Any = (PyPIRepository, LocalRequirementsRepository)
    repositories[0].get_hashes, repositories[1].get_hashes = _hashes, _kept_hashes


def _sources(args: argparse.Namespace) -> candidates.Sources:
    public, any_age = ([Versions(*text.split(" ", 1)) for text in texts] for texts in (args.public, args.any_age))
    return candidates.Sources(first_party.read(args.first_party), args.private, public, any_age)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="compile_target")
    parser.add_argument("--target", required=True, help="such as 3.12-win_amd64")
    parser.add_argument("--pins-only", action="store_true", help="take the requirements without their dependencies")
    parser.add_argument("--allow-sdist", action="append", default=[], help="a name that may be an sdist")
    parser.add_argument("--first-party", default="", help="folder of wheels built in-house")
    parser.add_argument("--private", action="append", default=[], help="pattern of names that only those may have")
    parser.add_argument("--public", action="append", default=[], help="name and versions that it does not mean")
    parser.add_argument("--any-age", action="append", default=[], help="name and versions that may be of any age")
    parser.add_argument("arguments", nargs="+", help="pip-compile's own, after --")
    return parser


def _compile(arguments: Sequence[str]) -> str:
    """Run pip-compile; returns the reason where it fails."""
    args = _parser().parse_args(arguments)
    _SEEN.forget()
    _patch_target(Target.parse(args.target), frozenset(args.allow_sdist))
    candidates.patch(_sources(args), _SEEN)
    _patch_results(pins_only=args.pins_only)
    try:
        pip_compile.cli.main(args.arguments, standalone_mode=False)
    except HashError as error:
        fact = "what the upstream sends does not have the sha256 that its page or the lock says"
        return f"{error.req.name if error.req else 'a file'}: {fact}; name another version"
    except (PipError, PipToolsError, RequestException) as error:
        return f"{error.message}: {error.context}" if isinstance(error, DiagnosticPipError) else str(error)
    return ""


def main(argv: Sequence[str] | None = None) -> int:
    """Answer each line, a JSON list of a working directory and arguments, with the reason of a failure, or with ""."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("socket", type=int, help="the file descriptor of the socket on which we are asked")
    _patch_index()
    remembered.patch()
    with socket.socket(fileno=parser.parse_args(argv).socket) as talk, talk.makefile("rw", encoding="utf-8") as lines:
        for line in lines:
            folder, *arguments = json.loads(line)
            os.chdir(folder)
            print(json.dumps(_compile(arguments).strip()), file=lines, flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
