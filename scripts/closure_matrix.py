"""locks/ -> a matrix on standard output: whether clients can install each project on each target from the locks alone.

Fetches what is not held, as `make index` does, and publishes nothing. A cell is `ok`, `gap` (something that it needs is
served by no file), `?` (an sdist, whose needs are not known) or `-` (not in a lock of that target).
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from scripts import judge, variables
from scripts.build import build
from scripts.closure_check import RULE, Check
from scripts.conflicts import doubtful
from scripts.fetch import Source
from scripts.gather import gather, read_approved
from scripts.list_files import File
from scripts.root import opened
from scripts.target import Target
from scripts.target_names import target_order
from scripts.terminal import disk_errors, run


def _cell(files: Sequence[File], target: Target, gaps: set[tuple[str, Target]]) -> str:
    here = [file.distribution for file in files if any(key.target == target for key in file.serves)]
    if not here:
        return "-"
    if (here[0].name, target) in gaps:
        return "gap"
    return "?" if any(one.metadata is None for one in here) else "ok"


def matrix(check: Check) -> Iterator[str]:
    """Yield the lines of the matrix: a row a project, a column a target, which a legend names."""
    targets = sorted({key.target for key in check.served}, key=target_order)
    gaps = {(gap.project, target) for gap, found in check.gaps().items() for target in found}
    names = [name for name, files in check.offer.projects.items() if files]
    width = max(map(len, names), default=0)
    yield from (f"{number:>3} = {target}" for number, target in enumerate(targets, start=1))
    yield " ".join([" " * width, *(f"{number:>3}" for number in range(1, len(targets) + 1))])
    for name in names:
        cells = (f"{_cell(check.offer.projects[name], target, gaps):>3}" for target in targets)
        yield " ".join([f"{name:<{width}}", *cells])


def main(argv: Sequence[str] | None = None) -> int:
    """Print the matrix; raises SystemExit with what is missing where closure is error."""
    args = variables.parser(__doc__, "root", "upstream", "fetch-timeout").parse_args(argv)
    settings, wanted = read_approved()
    judge.refuse_private(wanted, settings)
    level = "warn" if settings.closure == "off" else settings.closure
    report = judge.open_report(settings._replace(closure=level), only=RULE)
    with opened(args.root) as root, disk_errors(args.root, "make closure"), tempfile.TemporaryDirectory() as folder:
        gathered = gather(root, wanted, settings, Source(args.upstream, args.fetch_timeout))
        check, site = Check(gathered.offer, settings), Path(folder) / "site"
        print("\n".join(matrix(check)))
        report.add(check.findings())
        if questions := doubtful(check):
            build(gathered.offer, site)
            report.add(judge.conflict_findings(gathered.offer, questions, settings, site, gathered.paths))
    report.close()
    return 0


if __name__ == "__main__":
    raise SystemExit(run(main))
