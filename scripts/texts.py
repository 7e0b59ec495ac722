"""A text of somebody else's -> one that may stand in a sentence, on a page or on a terminal."""

from __future__ import annotations

from collections.abc import Sequence


def _with(other: str, text: str) -> str:
    """Return a text with another character for each that is not printable; most have none."""
    return text if text.isprintable() else "".join(char if char.isprintable() else other for char in text)


def printable(text: str) -> str:
    """Return a line without what a terminal would obey."""
    return _with("\ufffd", text)


def printable_lines(text: str) -> str:
    """Return a text of several lines without what a terminal would obey."""
    return "\n".join(map(printable, text.split("\n")))


def one_line(text: object, most: int) -> str:
    """Return a text as one line of words, cut to so many characters."""
    shown = " ".join(_with(" ", str(text)).split())
    return shown if len(shown) <= most else f"{shown[:most]}…"


def few(texts: Sequence[str], most: int) -> str:
    """List the first of several texts, and say how many more there are."""
    more = f" and {len(texts) - most} more" if texts[most:] else ""
    return ", ".join(texts[:most]) + more


def quoted(text: object, most: int = 200) -> str:
    """Return a text as code in Markdown, where nothing of it is markup, a link or somebody's name to be told."""
    return f"`{one_line(str(text).replace('`', chr(39)), most) or ' '}`"
