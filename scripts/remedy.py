"""A served version that is no good, the upstream's page, the requirements -> what to do about it.

Whether `make upgrade` can take a better version is known for the project's own requirements, targets and the age that
the policy asks for. What other packages demand of it is the resolver's to find out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version
from pypi_simple import DistributionPackage

from scripts.config import Config
from scripts.list_files import File
from scripts.locate import version_of
from scripts.locks import Key
from scripts.requirements import Line
from scripts.target import Target
from scripts.waivers import FILE

Files = Sequence[DistributionPackage]


def _lines(file: File, settings: Config, key: Key) -> list[Line]:
    """List what asked for a file's version in a lock, and what constrains it; some sets list several versions."""
    name, version = file.distribution.name, file.distribution.version
    of_set = (each for one in settings.sets if one.name == key.set_name for each in one.files)
    lines = (line for each in of_set for line in each.lines if line.name == name and line.holds(key.target.environment))
    return [line for line in lines if _lets_in(line, version)]


def _lets_in(line: Line, version: Version) -> bool:
    return line.requirement.specifier.contains(version, prereleases=True)


def _meets(version: Version, asked: SpecifierSet) -> bool:
    is_stable = not version.is_prerelease or bool(asked.prereleases)
    return is_stable and asked.contains(version, prereleases=True)


def _runs_on(requires_python: str | None, target: Target) -> bool:
    try:
        return SpecifierSet(requires_python or "").contains(target.environment["python_full_version"], prereleases=True)
    except InvalidSpecifier:
        return False


def _fitting(file: File, there: Files, key: Key, settings: Config) -> dict[Version, list[DistributionPackage]]:
    """Map version -> upstream's files of it that a target could take, whatever the requirements say."""
    found: dict[Version, list[DistributionPackage]] = {}
    for one in there:
        version = version_of(one.filename, file.distribution.name)
        if version is None or one.is_yanked or not _runs_on(one.requires_python, key.target):
            continue
        is_wheel = one.filename.endswith(".whl")
        if key.target.accepts(one.filename) if is_wheel else file.distribution.name in settings.allow_sdists:
            found.setdefault(version, []).append(one)
    return found


def _is_old_enough(files: Iterable[DistributionPackage], settings: Config) -> bool:
    """Whether `make upgrade` would take one of them today."""
    if not settings.policy.min_age_days.is_on:
        return True
    latest = datetime.now(UTC) - timedelta(days=settings.policy.min_age_days.limit)
    return any(one.upload_time is not None and one.upload_time < latest for one in files)


def _everywhere(file: File, choose: Callable[[Key], Iterable[Version]]) -> set[Version]:
    """Return the versions that each lock with the file could have instead."""
    choices = [set(choose(key)) for key in file.serves]
    return set.intersection(*choices) if choices else set()


def fixing(fix_versions: Iterable[str]) -> Callable[[Version], bool]:
    """Return whether a version is a fix: one that the advisory names, or no older than the highest of them."""
    fixes = set()
    for text in fix_versions:
        try:
            fixes.add(Version(text))
        except InvalidVersion:  # the service's word, and not ours to judge
            continue
    return lambda version: bool(fixes) and (version in fixes or version >= max(fixes))


def remedy(file: File, there: Files, settings: Config, is_better: Callable[[Version], bool]) -> str:
    """Say what to do about a file; there is what the upstream lists, is_better which versions would do."""
    name = file.distribution.name
    fitting = {key: _fitting(file, there, key, settings) for key in file.serves}
    lines = {key: _lines(file, settings, key) for key in file.serves}

    def at_all(key: Key) -> Iterable[Version]:
        return (version for version in fitting[key] if is_better(version) and _meets(version, SpecifierSet()))

    def allowed(key: Key) -> Iterable[Version]:
        asked = SpecifierSet(",".join(str(line.requirement.specifier) for line in lines[key]))
        return (version for version in fitting[key] if is_better(version) and _meets(version, asked))

    def aged(key: Key) -> Iterable[Version]:
        return (version for version in allowed(key) if _is_old_enough(fitting[key][version], settings))

    is_required = any(line for found in lines.values() for line in found)
    if versions := _everywhere(file, aged):
        doubt = "" if is_required else ", if what needs it lets it in"
        return f"run make upgrade PACKAGE={name}, which can take {max(versions)}{doubt}"
    if versions := _everywhere(file, allowed):
        return f"{max(versions)} would do and is too young for min_age_days; wait, or waive that in {FILE}"
    if versions := _everywhere(file, at_all):
        strict = {line for found in lines.values() for line in found if not _lets_in(line, max(versions))}
        places = ", ".join(sorted(f"{line.where} ({line.text})" for line in strict))
        return f"{places} keeps {max(versions)} out; change that, then run make upgrade PACKAGE={name}"
    return f"the upstream has no version that would do; remove what needs it, or answer for it in {FILE}"
