"""A folder with upgraded locks/ and their review.md, CI's environment -> one pull request, opened or renewed.

The folder comes from a job without a token that may write, since making locks may run code of packages. Of it only
what stands where a lock stands is taken.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from scripts import forge, locks
from scripts.comment import body
from scripts.files import is_file
from scripts.forge import Proposal
from scripts.terminal import run

BRANCH = "pypi-index/upgrade"
_TITLE = "Newest versions that the requirements allow"
_AUTHOR = ("-c", "user.name=make upgrade", "-c", "user.email=make-upgrade@localhost")


def _git(*arguments: str, more: Mapping[str, str] | None = None) -> str:
    """Run git; returns what it prints. Raises SystemExit with what it says of an error."""
    environment = {**os.environ, **(more or {})}
    # A hook of the checkout's owner, or of whoever wrote there, has no business here.
    command = ("git", "-c", "core.hooksPath=/dev/null", *arguments)
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"git {arguments[0]}: {done.stderr.strip()}; mend that, then run make propose again")
    return done.stdout


def take(folder: Path) -> None:
    """Put a folder's locks in the place of those of the checkout. Raises SystemExit where it has other things."""
    found = [path for path in sorted((folder / locks.FOLDER).rglob("*")) if path.is_symlink() or not path.is_dir()]
    places = {path: path.relative_to(folder) for path in found}
    if not found:
        raise SystemExit(f"{folder / locks.FOLDER}: holds no lock; copy locks/ there after make upgrade")
    if strange := [path for path in found if not is_file(path) or not locks.key_of(places[path])]:
        raise SystemExit(f"{strange[0]}: is no lock; nothing is proposed")
    for old in locks.existing().values():
        old.unlink()
    for path, place in places.items():
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, place)


def _push(here: forge.Forge) -> None:
    _git(*_AUTHOR, "commit", "--quiet", f"--message={_TITLE}")
    # Nobody else writes to this branch: it is made anew from what is approved.
    url, credentials = here.remote()
    _git("push", "--quiet", "--force", url, f"HEAD:refs/heads/{BRANCH}", more=credentials)


def main(argv: Sequence[str] | None = None) -> int:
    """Commit, push and open or change the pull request; where no lock changed, there is nothing to do."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True, help="with locks/ and review.md")
    args = parser.parse_args(argv)
    text, here = body(args.folder / "review.md"), forge.here()
    take(args.folder)
    _git("add", "--all", "--", str(locks.FOLDER))
    if not _git("diff", "--cached", "--name-only"):
        print("no lock changed; nothing is proposed", file=sys.stderr)
        return 0
    _push(here)
    here.propose(Proposal(BRANCH, _TITLE, text))
    print(f"{BRANCH}: proposed", file=sys.stderr)
    return 0


if __name__ == "__main__":
    raise SystemExit(run(main))
