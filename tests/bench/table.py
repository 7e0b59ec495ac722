"""Measured rows -> text: a line each for the terminal, and a table in Markdown."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from bench.measure import FailedError, Medians

_TARGET = re.compile(r"(?P<sign>[≤≥]) (?P<bound>[0-9.]+) (?P<unit>\S+)")
_HEAD = "| work | beside it | ours | theirs | ratio | target | met | runs |\n|---|---|---|---|---|---|---|---|\n"


@dataclass(frozen=True)
class Row:
    """One line of the table: medians of ours and of theirs, in `unit`; failure says why there is none.

    A target is what we mean to reach: `≤ 0.2 ×` is of the ratio, `≤ 10 s` of our own number, "" means there is none.
    """

    work: str
    beside: str
    target: str = ""
    medians: Medians | None = None
    failure: str = ""
    unit: str = "s"

    @property
    def ratio(self) -> float | None:
        """Ours divided by theirs."""
        if self.medians is None or not self.medians.theirs:
            return None
        return self.medians.ours / self.medians.theirs

    @property
    def is_met(self) -> bool | None:
        """Whether the target is reached; None where there is no target, or nothing was measured."""
        target = _TARGET.fullmatch(self.target)
        if target is None or self.medians is None:
            return None
        value = self.ratio if target["unit"] == "×" else self.medians.ours
        if value is None:
            return None
        return value <= float(target["bound"]) if target["sign"] == "≤" else value >= float(target["bound"])


def row(work: str, beside: str, target: str, measure: Callable[[], Medians], unit: str = "s") -> Row:
    """Measure a row; what cannot be measured is told in it, and keeps no other row back."""
    try:
        return Row(work, beside, target, measure(), unit=unit)
    except (FailedError, OSError) as error:
        return Row(work, beside, target, failure=str(error))


def number(value: float | None, unit: str = "") -> str:
    """Return a number with three digits that count, or all before the point."""
    if value is None:
        return "—"
    digits = f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return f"{digits} {unit}".strip()


def _cells(one: Row) -> list[str]:
    ours, theirs, runs = one.medians or (None, None, 0)
    met = {True: "yes", False: "no", None: "—"}[one.is_met]
    if one.failure:
        met = f"not measured: {one.failure}"
    ratio = number(one.ratio, "×")
    return [
        *(one.work, one.beside or "—", number(ours, one.unit), number(theirs, one.unit)),
        *(ratio, one.target or "—", met, str(runs or "—")),
    ]


def line(one: Row) -> str:
    """Return a row for the terminal."""
    work, beside, ours, theirs, ratio, target, met, _ = _cells(one)
    return f"{work} | {beside} | {ours} | {theirs} | {ratio} | target {target} | {met}"


def markdown(rows: Iterable[Row]) -> str:
    """Return the table."""
    lines = (" | ".join(cell.replace("|", "\\|") for cell in _cells(one)) for one in rows)
    return _HEAD + "".join(f"| {text} |\n" for text in lines)
