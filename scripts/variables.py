"""A variable of make -> its value, or one sentence that says what it should have been."""

from __future__ import annotations

import re
from pathlib import Path

DEFAULT_SIGNERS = "allowed_signers"


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


def signers(text: str) -> Path:
    """Return the file that says who may sign; where it has the default's name, or none, it need not be there."""
    path = Path(text or DEFAULT_SIGNERS)
    if text not in {"", DEFAULT_SIGNERS} and not path.is_file():
        raise SystemExit(f"ALLOWED_SIGNERS: {text} is no file; say in it who signs, see ssh-keygen(1), or leave it out")
    return path if text else Path()
