"""The helpers behind the Makefile: each module is one arrow of the pipeline, or one word of its vocabulary."""

import os
import signal
import sys
import time
from pathlib import Path

# The checkout that this code stands in; what it works on is in the current folder.
CODE = Path(__file__).resolve().parent.parent


def end_by_signal(*_: object) -> None:
    """End as Ctrl-C ends any process, so that make says so in its one line.

    A moment late: GNU make loses a child that ends before make itself has seen the signal, and complains of that.
    """
    time.sleep(0.1)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGINT)


# `python -m scripts.lock` has come this far: Ctrl-C while modules are imported needs no traceback (see terminal.run).
if sys.argv[0] == "-m" and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, end_by_signal)
