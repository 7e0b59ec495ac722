"""Arguments of scripts/compile_target.py -> what becomes of them: processes that compile one target after another.

pip takes half a second to start, and what it read of the upstream for one target it needs for the next one too.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

from scripts import CODE


class _Compiler:
    """One process. What it prints goes to a file, which nobody reads unless it dies."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._said = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115
        ours, theirs = socket.socketpair()
        with ours, theirs:
            self._talk = ours.makefile("rw", encoding="utf-8")
            self._process = subprocess.Popen(
                (sys.executable, "-P", "-m", "scripts.compile_target", str(theirs.fileno())),
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=self._said,
                stderr=subprocess.STDOUT,
                pass_fds=(theirs.fileno(),),
            )

    def ask(self, arguments: Sequence[str], folder: Path) -> str | None:
        """Return the process's answer; None where it died of it."""
        # The process has the same open file, so that it writes from the beginning again.
        self._said.seek(0)
        self._said.truncate()
        try:
            print(json.dumps([str(folder), *arguments]), file=self._talk, flush=True)
            line = self._talk.readline()
        except ConnectionError:
            return None
        return str(json.loads(line)) if line else None

    def last_words(self) -> str:
        """Say why the process died."""
        status = self._process.wait()
        self._said.seek(0)
        return self._said.read().strip() or f"pip-compile ended with exit status {status}"

    def end(self) -> None:
        """Let the process end: with no more to do, it does."""
        with self._said, self._process, suppress(ConnectionError):
            self._talk.close()


class Compilers(ExitStack):
    """As many processes as are asked at once, which all end with the `with` block; environment is what they run in."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        super().__init__()
        self._environment = {**environment, "PYTHONPATH": str(CODE)}
        self._idle: list[_Compiler] = []

    def _compiler(self) -> _Compiler:
        try:
            return self._idle.pop()
        except IndexError:
            compiler = _Compiler(self._environment)
            self.callback(compiler.end)
            return compiler

    def compile(self, arguments: Sequence[str], folder: Path) -> None:
        """Compile with folder as the working directory; raises RuntimeError with the reason where that fails."""
        compiler = self._compiler()
        reason = compiler.ask(arguments, folder)
        if reason is None:
            raise RuntimeError(compiler.last_words())
        self._idle.append(compiler)
        if reason:
            raise RuntimeError(reason)
