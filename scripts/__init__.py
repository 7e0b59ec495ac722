"""The helpers behind the Makefile: each module is one arrow of the pipeline, or one word of its vocabulary."""

import signal
import sys
from pathlib import Path

# The checkout that this code stands in; what it works on is in the current folder.
CODE = Path(__file__).resolve().parent.parent

# `python -m scripts.lock` has come this far: Ctrl-C while modules are imported needs no traceback (see terminal.run).
if sys.argv[0] == "-m" and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)
