"""Findings, levels, waivers -> sentences on standard error: what keeps a release from being published.

Every finding is told: what is waived in a number, what could not be checked as `not checked`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence

from scripts import waivers
from scripts.finding import Finding
from scripts.waivers import Waiver


class Report:
    """Sorts findings into errors, warnings, waived and not checked. level_of says how strictly a rule holds."""

    def __init__(self, level_of: Callable[[str], str], exceptions: Sequence[Waiver]) -> None:
        self._level_of = level_of
        self._exceptions = exceptions
        self._used: set[Waiver] = set()
        self._lines: dict[str, list[str]] = {"error": [], "warning": [], "not checked": []}
        self._waived = 0

    def add(self, findings: Iterable[Finding]) -> None:
        """Take findings in, none of them of a rule that is off."""
        for finding in findings:
            excuses = waivers.covering(self._exceptions, finding) if finding.is_checked else []
            self._used.update(excuses)
            if excuses:
                self._waived += 1
            else:
                self._lines[self._kind(finding)].append(str(finding))

    def _kind(self, finding: Finding) -> str:
        if not finding.is_checked:
            return "not checked"
        return "error" if self._level_of(finding.rule) == "error" else "warning"

    @property
    def errors(self) -> list[str]:
        """What keeps the release from being published."""
        return sorted(self._lines["error"]) + waivers.expired(self._exceptions, waivers.today())

    def tell(self) -> None:
        """Print everything; the errors come last, where a person looks first."""
        for waiver in self._exceptions:
            if waiver not in self._used:
                print(f"{waiver}: matches nothing; remove it", file=sys.stderr)
        for kind in ("not checked", "warning"):
            for line in sorted(self._lines[kind]):
                print(f"{kind}: {line}", file=sys.stderr)
        if self._waived:
            print(f"{self._waived} waived by {waivers.FILE}", file=sys.stderr)
