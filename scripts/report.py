"""Findings, levels, waivers -> sentences on standard error: what keeps a release from being published.

Every finding is told: what is waived in a number, what could not be checked as `not checked`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence

from scripts import waivers
from scripts.finding import Finding
from scripts.waivers import Waiver

_REMEDY = f"take other versions, or answer for them in {waivers.FILE}"

# No version is known here but those that are served and those that a need names, and these are often the oldest.
_ADD = "to fill the gaps, add such lines with the versions that you want, or set resolve_deps: true"


class Report:
    """Sorts findings into errors, warnings, waived and not checked. levels say how strictly each rule holds.

    outcome is told with the number of errors; said are the lines that were printed.
    """

    def __init__(self, levels: Mapping[str, str], exceptions: Sequence[Waiver], *, outcome: str = "") -> None:
        self._levels = levels
        self._outcome = outcome
        self._exceptions = exceptions
        self._used: set[Waiver] = set()
        self._lines: dict[str, list[str]] = {"error": [], "warning": [], "not checked": []}
        self._waived = 0
        self._to_add: dict[str, set[str]] = {}
        self.said: list[str] = []

    def add(self, findings: Iterable[Finding]) -> None:
        """Take findings in, none of them of a rule that is off."""
        for finding in findings:
            excuses = [one for one in self._exceptions if finding.is_checked and one.covers(finding)]
            self._used.update(excuses)
            if excuses:
                self._waived += 1
            else:
                self._lines[self._kind(finding)].append(str(finding))
                if finding.line:
                    self._to_add.setdefault(finding.line[0], set()).add(finding.line[1])

    def _kind(self, finding: Finding) -> str:
        if not finding.is_checked:
            return "not checked"
        return "error" if self._levels[finding.rule] == "error" else "warning"

    def stop(self) -> None:
        """Raise SystemExit where there are errors already, before anything is asked of an upstream."""
        if self._errors:
            total = f"{len(self._errors)} error{'s' if self._errors[1:] else ''}; {self._outcome}{_REMEDY}"
            raise SystemExit("\n".join([*self._errors, *self._advice(), total]))

    @property
    def _errors(self) -> list[str]:
        return sorted(self._lines["error"]) + waivers.expired(self._exceptions, waivers.today())

    def _advice(self) -> list[str]:
        return ["\n    ".join([f"{path}: {_ADD}", *sorted(lines)]) for path, lines in sorted(self._to_add.items())]

    def close(self) -> None:
        """Print everything, and raise SystemExit with what keeps the release from being published."""
        unused = [f"{one}: matches nothing; remove it" for one in self._exceptions if one not in self._used]
        told = [f"{kind}: {line}" for kind in ("not checked", "warning") for line in sorted(self._lines[kind])]
        waived = [f"{self._waived} waived by {waivers.FILE}"] if self._waived else []
        self._say(*unused, *told, *waived)
        self.stop()
        self._say(*self._advice())

    def _say(self, *lines: str) -> None:
        self.said += lines
        for line in lines:
            print(line, file=sys.stderr)
