"""locks/ of the current folder -> a shared folder's `incoming/`: the step of `make index` that downloads, by itself."""

from __future__ import annotations

import gc
import sys
from pathlib import Path

from scripts.fetch import Source, fetch
from scripts.gather import read_approved
from scripts.root import opened

if __name__ == "__main__":
    gc.disable()  # as a whole run does
    settings, wanted = read_approved()
    with opened(Path(sys.argv[1])) as root:
        fetch(root, wanted, settings, Source("", 3600))
