"""Curves -> an SVG picture: seconds over the number of files, both axes logarithmic."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from html import escape

_WIDTH, _HEIGHT = 720, 420
_LEFT, _TOP, _RIGHT, _BOTTOM = 60, 20, 230, 50
_COLOURS = ("#0b5fa5", "#0b5fa5", "#c2410c", "#c2410c", "#15803d", "#15803d")
_STYLE = "text{font:12px sans-serif;fill:#333}line{stroke:#ddd}polyline{fill:none;stroke-width:2}"

Curve = Mapping[int, float]


def _decades(values: list[float]) -> tuple[int, int]:
    """Return the powers of ten that enclose values, at least one decade."""
    low = math.floor(math.log10(min(values)))
    return low, max(math.ceil(math.log10(max(values))), low + 1)


def _place(value: float, decades: tuple[int, int], start: float, end: float) -> float:
    low, high = decades
    return round(start + (math.log10(value) - low) / (high - low) * (end - start), 1)


class _Axes:
    def __init__(self, points: list[tuple[int, float]]) -> None:
        self.files = _decades([float(files) for files, _ in points])
        self.seconds = _decades([seconds for _, seconds in points])

    def x(self, files: float) -> float:
        return _place(files, self.files, _LEFT, _WIDTH - _RIGHT)

    def y(self, seconds: float) -> float:
        return _place(seconds, self.seconds, _HEIGHT - _BOTTOM, _TOP)


def _grid(axes: _Axes) -> Iterator[str]:
    right, bottom = _WIDTH - _RIGHT, _HEIGHT - _BOTTOM
    for power in range(axes.files[0], axes.files[1] + 1):
        x = axes.x(10.0**power)
        yield f'<line x1="{x}" y1="{_TOP}" x2="{x}" y2="{bottom}"/>'
        yield f'<text x="{x}" y="{bottom + 18}" text-anchor="middle">{10**power:,}</text>'
    for power in range(axes.seconds[0], axes.seconds[1] + 1):
        y = axes.y(10.0**power)
        yield f'<line x1="{_LEFT}" y1="{y}" x2="{right}" y2="{y}"/>'
        yield f'<text x="{_LEFT - 8}" y="{y + 4}" text-anchor="end">{10.0**power:g} s</text>'
    yield f'<text x="{(_LEFT + right) / 2}" y="{_HEIGHT - 12}" text-anchor="middle">files</text>'


def _curve(axes: _Axes, number: int, name: str, curve: Curve) -> Iterator[str]:
    """Draw one curve; of two of a colour the second, which is theirs, is dashed."""
    colour, dashes = _COLOURS[number % len(_COLOURS)], ' stroke-dasharray="6 4"' if number % 2 else ""
    points = " ".join(f"{axes.x(files)},{axes.y(seconds)}" for files, seconds in sorted(curve.items()))
    x, y = _WIDTH - _RIGHT + 14, _TOP + 12 + 20 * number
    yield f'<polyline points="{points}" stroke="{colour}"{dashes}/>'
    yield f'<polyline points="{x},{y} {x + 26},{y}" stroke="{colour}"{dashes}/>'
    yield f'<text x="{x + 32}" y="{y + 4}">{escape(name)}</text>'


def svg(curves: Mapping[str, Curve]) -> str:
    """Return the picture; curves are pairs, ours and theirs, of name -> (files -> seconds)."""
    axes = _Axes([point for curve in curves.values() for point in curve.items()])
    parts = [*_grid(axes)]
    for number, (name, curve) in enumerate(curves.items()):
        parts += _curve(axes, number, name, curve)
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}">\n<style>{_STYLE}</style>\n'
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#fff"/>\n{body}\n</svg>\n'
    )
