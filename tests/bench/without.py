"""python -m bench.without OPTIMISATION MODULE ARGUMENT…: runs a module with one of its optimisations taken out.

What an optimisation brings is the time, or the memory, that is taken without it; what brings little goes.
"""

from __future__ import annotations

import gc
import runpy
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType

from bench import measure
from bench.measure import Run
from scripts import cores, durable, learned, list_files, whole_run

NONE = "none"
ALL = CORES, SYNC, LEARNED, PAGES, SHARED, COLLECTOR = (
    "the work of all cores",
    "files synced 16 at once",
    "what the last run learned of files",
    "the pages of projects that are as they were",
    "equal values of files held once",
    "rest for the garbage collector",
)
# In place of what: module, name in it, and what stands there instead.
_INSTEAD: Mapping[str, Sequence[tuple[ModuleType, str, object]]] = {
    NONE: (),
    CORES: ((cores, "cores", lambda: 1),),
    SYNC: ((durable, "_AT_ONCE", 1),),
    LEARNED: ((whole_run, "read", lambda _: {}),),
    PAGES: ((whole_run, "_before", lambda *_: None),),
    SHARED: ((list_files, "shared", lambda one: one), (learned, "shared", lambda one: one)),
    COLLECTOR: ((gc, "disable", gc.enable),),
}


def run(optimisation: str, module: str, *arguments: str, cwd: Path, env: Mapping[str, str]) -> Run:
    """Run a module in a folder without an optimisation, or with all, given as NONE."""
    command = sys.executable, "-m", "bench.without", optimisation, module, *arguments
    return measure.run(*command, cwd=cwd, env=env)


if __name__ == "__main__":
    optimisation, module, *arguments = sys.argv[1:]
    for place, name, other in _INSTEAD[optimisation]:
        getattr(place, name)  # else nothing would be taken out
        setattr(place, name, other)
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
