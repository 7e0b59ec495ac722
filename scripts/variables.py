"""A variable of make -> its value, or one sentence that says what it should have been."""

from __future__ import annotations

import re


def positive(name: str, text: str) -> int:
    """Return the number that a variable of make holds."""
    if not re.fullmatch("[1-9][0-9]{0,8}", text):
        raise SystemExit(f"{name}: {text!r} is not a whole number above 0; write one, or leave {name} out")
    return int(text)


def switch(name: str, text: str) -> bool:
    """Return whether a variable of make that is 1 or nothing is set."""
    if text not in {"", "0", "1"}:
        raise SystemExit(f"{name}: {text!r} is neither 1 nor nothing; write {name}=1, or leave {name} out")
    return text == "1"
