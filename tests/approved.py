"""Distributions -> requirements.in and locks/ that approve them, without the time that `make lock` takes."""

from __future__ import annotations

from pathlib import Path

from distributions import Distribution
from upstream import _identity

from scripts import config, locks


def _fits(key: locks.Key, filename: str) -> bool:
    try:
        return not filename.endswith(".whl") or key.target.accepts(filename)
    except ValueError:  # a hostile name
        return True


def approve(*distributions: Distribution, everywhere: bool = False) -> None:
    """Write the locks of the current checkout: on each target the files that fit it, or all of them everywhere.

    A file of another name is approved as the project and version of its METADATA's own name.
    """
    pins = {one: _identity(one.filename) for one in distributions}
    Path("requirements.in").write_text("".join(sorted({f"{name}=={version}\n" for name, version in pins.values()})))
    approve_only(*distributions, everywhere=everywhere)


def approve_only(*distributions: Distribution, everywhere: bool = True, only: str = "") -> None:
    """Write the locks (or `only` the one of a target) for the requirements that are there."""
    settings = config.load(Path())
    sets = {one.name: one for one in settings.sets}
    for key in locks.expected(settings):
        if only and str(key.target) != only:
            continue
        fitting = [one for one in distributions if everywhere or _fits(key, one.filename)]
        blocks = ["{}=={} \\\n    --hash=sha256:{}\n".format(*_identity(one.filename), one.sha256) for one in fitting]
        inputs = locks.inputs_digest(settings, sets[key.set_name], key.target)
        key.path.parent.mkdir(parents=True, exist_ok=True)
        key.path.write_text(locks.compose(key, inputs, locks.tools(), "".join(sorted(blocks))))


def missing(*lines: str, of: int) -> str:
    """Return the list with which `make index` ends where pins have no file."""
    remedy = "try again, or take what the upstream has now with make upgrade"
    text = "\n".join(f"  {line}" for line in lines)
    return f"{len(lines)} of {of} pins have no file, nothing is published; {remedy}:\n{text}"
