"""A text of somebody else's -> one that may stand in a sentence, on a page or on a terminal."""

from __future__ import annotations


def printable(text: str) -> str:
    """Return a line without what a terminal would obey."""
    return "".join(char if char.isprintable() else "\ufffd" for char in text)


def printable_lines(text: str) -> str:
    """Return a text of several lines without what a terminal would obey."""
    return "\n".join(map(printable, text.split("\n")))


def one_line(text: object, most: int) -> str:
    """Return a text as one line of words, cut to so many characters."""
    shown = " ".join("".join(char if char.isprintable() else " " for char in str(text)).split())
    return shown if len(shown) <= most else f"{shown[:most]}…"


def quoted(text: object, most: int = 200) -> str:
    """Return a text as code in Markdown, where nothing of it is markup, a link or somebody's name to be told."""
    return f"`{one_line(str(text).replace('`', chr(39)), most) or ' '}`"
