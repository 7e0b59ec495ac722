"""pip-compile's arguments -> its output, for a target that need not be this machine.

pip resolves for the interpreter that runs it, and pip-tools follows it: neither has an option for another one. For the
length of this process the target is put in that interpreter's place:

  * wheel tags: the package finder gets the target's `TargetPython`;
  * Requires-Python: the resolver gets the target's version;
  * markers: `packaging.markers` (pip's vendored copy) gets the target's environment.

Three more things differ from stock pip-compile. Only wheels are candidates, save for the names that are allowed to come
as an sdist. A pin's hash is that of the one file that the target takes, read from the index's own link. And an index
that cannot be read is an error, where pip goes on as if it were empty.

All of this leans on pip's and pip-tools' internals, which scripts/requirements.txt pins; `tests/lock_test.py` compares
the outcome with uv's, so that an upgrade that breaks it is seen.
"""

from __future__ import annotations

import argparse
import functools
import json
import sys
from collections.abc import Sequence
from typing import Any

from pip._internal.commands.install import InstallCommand
from pip._internal.exceptions import DistributionNotFound, InstallationError, PipError
from pip._internal.index import collector
from pip._internal.index.package_finder import PackageFinder
from pip._internal.models.format_control import FormatControl
from pip._internal.models.link import Link
from pip._internal.models.target_python import TargetPython
from pip._internal.req import InstallRequirement
from pip._vendor.packaging import markers
from pip._vendor.packaging.tags import Tag
from piptools.exceptions import PipToolsError
from piptools.repositories import PyPIRepository
from piptools.resolver import BacktrackingResolver
from piptools.scripts import compile as pip_compile

from scripts.target import Target


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
        return {self._pin(ireq) for ireq in self._constraints_map.values() if not ireq.constraint}

    def _pin(self, ireq: InstallRequirement) -> InstallRequirement:
        found = self.finder.find_best_candidate(str(ireq.name), ireq.specifier)
        if found.best_candidate is None:
            versions = ", ".join(sorted({str(one.version) for one in found.all_candidates})) or "none"
            raise DistributionNotFound(f"No matching distribution found for {ireq.req} (from versions: {versions})")
        ireq.link = found.best_candidate.link
        return ireq


class _TargetPython(TargetPython):
    """pip's own, with the target's tags in the order in which such a machine prefers them."""

    def __init__(self, target: Target) -> None:
        super().__init__(py_version_info=target.version)
        self._valid_tags = [Tag(tag.interpreter, tag.abi, tag.platform) for tag in target.tags]


def _patch_target(target: Target, allowed_sdists: frozenset[str]) -> None:
    command: Any = InstallCommand
    build_finder, make_resolver = command._build_package_finder, command.make_resolver

    def build_finder_for_target(self: InstallCommand, options: Any, session: Any) -> PackageFinder:
        options.format_control = _WheelsOnly(allowed_sdists)
        finder: PackageFinder = build_finder(self, options, session, target_python=_TargetPython(target))
        return finder

    command._build_package_finder = build_finder_for_target
    command.make_resolver = functools.partial(make_resolver, py_version_info=target.version)
    vars(markers)["default_environment"] = lambda: dict(target.environment)


def _link_hash(repository: PyPIRepository, ireq: InstallRequirement) -> set[str]:
    link: Any = ireq.link
    if link.hash_name == "sha256":
        return {f"sha256:{link.hash}"}
    # An index without sha256 on its links leaves no other way than to read this one file.
    return {repository._get_file_hash(link)}


def _fail_on_page(link: Link, reason: str | Exception, **_: object) -> None:
    response = getattr(reason, "response", None)
    if getattr(response, "status_code", None) != 404:
        raise InstallationError(f"the upstream's page {link.url} cannot be read: {reason}")


def _patch_index() -> None:
    repository: Any = PyPIRepository
    repository.get_hashes = _link_hash
    ensure_api_header = collector._ensure_api_header

    def ensure_index_page(response: Any) -> None:
        try:
            ensure_api_header(response)
        except collector._NotAPIContent as error:
            reason = f"it is {error.content_type}, no page of an index"
            raise InstallationError(f"the upstream's page {response.url} cannot be read: {reason}") from None

    vars(collector)["_handle_get_simple_fail"] = _fail_on_page
    vars(collector)["_ensure_api_header"] = ensure_index_page


def main(argv: Sequence[str] | None = None) -> int:
    """Run pip-compile; a failure is printed to standard error with pip's reason, without a traceback, and returns 1."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--target", required=True, help="such as 3.12-win_amd64")
    parser.add_argument("--pins-only", action="store_true", help="take the requirements without their dependencies")
    parser.add_argument("--allow-sdist", action="append", default=[], help="a name that may be an sdist")
    parser.add_argument("arguments", nargs="+", help="pip-compile's own, after --")
    args = parser.parse_args(argv)
    _patch_target(Target.parse(args.target), frozenset(args.allow_sdist))
    _patch_index()
    if args.pins_only:
        vars(pip_compile)["BacktrackingResolver"] = _PinsOnly
    try:
        pip_compile.cli.main(args.arguments, standalone_mode=False)
    except (PipError, PipToolsError) as error:
        print(f"ERROR: {error}", file=sys.stderr)
        return 1
    except json.JSONDecodeError as error:
        print(f"ERROR: the upstream answers with broken JSON: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
