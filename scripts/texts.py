"""A text of somebody else's -> one that may stand in a sentence, on a page or on a terminal."""

from __future__ import annotations


def printable(text: str) -> str:
    """Return a text, which may have several lines, without what a terminal would obey."""
    return "".join(char if char.isprintable() or char == "\n" else "\ufffd" for char in text)


def one_line(text: object, most: int) -> str:
    """Return a text as one line of words, cut to so many characters."""
    shown = " ".join("".join(char if char.isprintable() else " " for char in str(text)).split())
    return shown if len(shown) <= most else f"{shown[:most]}…"
