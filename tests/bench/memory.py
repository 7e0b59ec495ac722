"""python -m bench.memory FILE MODULE ARGUMENT…: runs a module, and writes by how much functions let its memory grow.

It writes JSON, in bytes: function of the steps of INDEX, by module -> growth, and "" -> the peak. What was freed again,
but given to nobody else, counts as taken.
"""

from __future__ import annotations

import json
import os
import resource
import runpy
import sys
from collections import Counter
from pathlib import Path
from types import CodeType, FrameType

from bench.shares import INDEX

_FUNCTIONS = {function.lstrip("-") for functions in INDEX.values() for function in functions}


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


class _Watch:
    """Looks at each function that begins and ends; it makes all slower, and nothing larger."""

    def __init__(self) -> None:
        self.grown: Counter[str] = Counter()
        self._known: dict[CodeType, str] = {}
        self._begun: dict[FrameType, int] = {}

    def _name(self, code: CodeType) -> str:
        path = Path(code.co_filename)
        name = f"{path.stem}.{code.co_name}"
        return name if path.parent.name == "scripts" and name in _FUNCTIONS else ""

    def __call__(self, frame: FrameType, event: str, _: object) -> None:
        code = frame.f_code
        if event == "call":
            if code not in self._known:
                self._known[code] = self._name(code)
            if self._known[code]:
                self._begun[frame] = _resident()
        elif event == "return" and frame in self._begun:
            self.grown[self._known[code]] += _resident() - self._begun.pop(frame)


def main() -> None:
    """Run the module as `python -m` would."""
    _, place, module, *arguments = sys.argv
    sys.argv = [module, *arguments]
    watch, own = _Watch(), os.getpid()
    sys.setprofile(watch)
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    finally:
        sys.setprofile(None)
        if os.getpid() == own:
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
            Path(place).write_text(json.dumps({**watch.grown, "": peak}))


if __name__ == "__main__":
    main()
