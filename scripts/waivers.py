"""waivers.yaml -> Waivers: breaches of closure or policy that somebody answers for, each until a day.

    - rule: licenses
      project: chardet
      versions: ">=5,<6"
      reason: only linked, as legal agreed in TICKET-7
      approved_by: A. Turing
      expires: 2027-01-31

A waiver counts through its last day, in UTC. One for `vulnerabilities` may name the one `advisory` that it is about.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

from scripts.rules import Policy, name_problem
from scripts.versions import Versions
from scripts.yaml_reader import Reader

if TYPE_CHECKING:
    from scripts.finding import Finding

FILE = "waivers.yaml"
# A size of the whole release belongs to no project.
RULES = ("closure", *(name for name in Policy._fields if name != "max_release_mb"))
_KEYS = ("rule", "project", "versions", "reason", "approved_by", "expires", "advisory")


class Waiver(NamedTuple):
    """One exception. number is its place in the file, from 1."""

    number: int
    rule: str
    project: str
    versions: str
    reason: str
    approved_by: str
    expires: date
    advisory: str = ""

    def __str__(self) -> str:
        return f"{FILE}: {self.number}: {self.rule}, {self.project} {self.versions}"

    def covers(self, finding: Finding) -> bool:
        """Whether it is about a finding; a version that is not known is in no range."""
        if (finding.rule, finding.project) != (self.rule, self.project) or not finding.version:
            return False
        return (not self.advisory or self.advisory in finding.ids) and self.is_for(finding.version)

    def is_for(self, version: str) -> bool:
        """Whether a version is in its range."""
        return Versions(self.project, self.versions).covers(self.project, version)


def _read(number: int, reader: Reader) -> Waiver:
    reader.check_keys(_KEYS)
    rule, project = reader.choice("rule", RULES, RULES[0]), reader.text("project")
    if project and (problem := name_problem(project)):
        reader.problem("project", problem)
    versions = reader.text("versions", 'write a range such as ">=1.2,<2", in quotes')
    reason, by = reader.text("reason"), reader.text("approved_by", "write who answers for it")
    try:
        SpecifierSet(versions)
    except InvalidSpecifier:
        such = f'"=={versions}"' if _is_version(versions) else '">=1.2,<2"'
        reader.problem("versions", f'"{versions}" is no range of versions; write such as {such}, in quotes')
    advisory = reader.text("advisory") if "advisory" in reader.values else ""
    if advisory and rule != "vulnerabilities":
        reader.problem("advisory", f"{rule} knows no advisories; remove the key")
    return Waiver(number, rule, project, versions, reason, by, _expires(reader), advisory)


def _is_version(text: str) -> bool:
    try:
        return bool(Version(text))
    except InvalidVersion:
        return False


def _expires(reader: Reader) -> date:
    value = reader.values.get("expires")
    try:
        if not isinstance(value, datetime):
            return date.fromisoformat(str(value))
    except ValueError:
        pass
    fact = "is missing" if value is None else f"{value!r} is no date"
    reader.problem("expires", f"{fact}; write such as 2027-01-31")
    return date.max


def load(root: Path) -> list[Waiver]:
    """Read `waivers.yaml` of a checkout; without the file there are none. Raises SystemExit with all its problems."""
    try:
        readers, problems = Reader.open_list(root / FILE, FILE)
    except FileNotFoundError:
        return []
    found = [_read(number, reader) for number, reader in enumerate(readers, start=1)]
    if problems:
        raise SystemExit("\n".join(problems))
    return found


def today() -> date:
    """Return the day on which a waiver is still good, in UTC."""
    return datetime.now(UTC).date()


def expired(waivers: Sequence[Waiver], day: date) -> list[str]:
    """Say of each waiver whose last day is over what to do."""
    return [
        f"{one}: expired on {one.expires:%Y-%m-%d}; mend what it excuses, or have it approved anew"
        for one in waivers
        if one.expires < day
    ]
