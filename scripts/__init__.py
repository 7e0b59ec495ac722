"""The helpers behind the Makefile: each module is one arrow of the pipeline, or one word of its vocabulary."""

from pathlib import Path

# The checkout that this code stands in; what it works on is in the current folder.
CODE = Path(__file__).resolve().parent.parent
