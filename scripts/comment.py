"""A file of `make review`, CI's environment -> a comment below the pull request, the same one each time.

The file may come from a job that ran a stranger's code: it is text, it is cut where it is too long, and nothing in it
decides where it is written. Where the pull request changes more than what a review is about, the comment begins with
that, since a review that was made by changed code may say anything.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from scripts import forge
from scripts.files import is_file
from scripts.terminal import run
from scripts.texts import few, printable

_CUT = "\n\n*The rest is too long for a comment; run `make review` to see it.*\n"
# What a review is about, and what nothing executes: requirements may have other names, but not in these folders.
_DATA = re.compile(r"locks/.+|(?!(scripts|caddy|tests|web|deploy|\.[^/]*)/)[^.].*\.(in|md|txt|yaml)")
_MOST_PATHS = 5
_MOST_BYTES = 4 * forge.MAX_BODY  # of UTF-8


def warning(changed: Iterable[str]) -> str:
    """Name what a pull request changes that could have made its review; empty where there is none of it."""
    code = sorted(path for path in changed if not _DATA.fullmatch(path))
    if not code:
        return ""
    shown = few([f"`{printable(path).replace('`', '?')}`" for path in code], _MOST_PATHS)
    return f"> **Do not rely on this review:** the pull request changes {shown}, which may have made it.\n\n"


def body(path: Path, first: str = "") -> str:
    """Return a file's text below first, with our marker before it all and nowhere else, cut to what a comment holds."""
    if not is_file(path):
        raise SystemExit(f"{path}: is no file; write it with make review")
    with path.open("rb") as file:
        text = file.read(_MOST_BYTES).decode("utf-8", errors="replace")
    text = f"{forge.MARKER}\n{first}{text.replace(forge.MARKER, '').replace(chr(0), '').strip()}\n"
    return text if len(text) <= forge.MAX_BODY else text[: forge.MAX_BODY - len(_CUT)] + _CUT


def main(argv: Sequence[str] | None = None) -> int:
    """Write or change the comment; where the pull request is closed or went on, there is nothing to do."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--review", type=Path, required=True, help="what make review printed")
    args = parser.parse_args(argv)
    body(args.review)  # says what is wrong with the file before anything is asked
    here = forge.here()
    numbers = here.pull_requests()
    if len(numbers) != 1:  # with several, nobody knows onto which base the review was made
        print(f"{args.review}: {len(numbers)} open pull requests have that commit; not commented", file=sys.stderr)
        return 0
    here.comment(numbers[0], body(args.review, warning(here.changed(numbers[0]))))
    print(f"{args.review}: commented on {numbers[0]}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    raise SystemExit(run(main))
