"""A variable of make -> its value, or one sentence that says what it should have been."""

from __future__ import annotations

import argparse
import re
from functools import partial
from pathlib import Path
from typing import Any

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
    if text not in {"", DEFAULT_SIGNERS} and not Path(text).is_file():
        raise SystemExit(f"ALLOWED_SIGNERS: {text} is no file; say in it who signs, see ssh-keygen(1), or leave it out")
    return Path(text)


_OPTIONS: dict[str, dict[str, Any]] = {
    "root": {"type": Path, "required": True, "help": "the shared folder"},
    "upstream": {"default": "", "help": "index URL in place of pip's index-url"},
    "fetch-timeout": {"type": partial(positive, "FETCH_TIMEOUT"), "default": "3600", "help": "seconds in all"},
    "keep": {"type": partial(positive, "KEEP"), "default": "5", "help": "how many releases stay"},
    "force": {"type": partial(switch, "FORCE"), "default": "", "help": "1: publish what was rolled back, or is older"},
    "allowed-signers": {"type": signers, "default": "", "help": "who may sign, if it is there: ssh-keygen(1)"},
}


def parser(description: str | None, *options: str) -> argparse.ArgumentParser:
    """Return a parser with those of the options that several verbs share."""
    made = argparse.ArgumentParser(description=description)
    for name in options:
        made.add_argument(f"--{name}", **_OPTIONS[name])
    return made
