"""scripts/owner.py: who works on the shared folder now, with locks and without, and what becomes of who died."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from approved import approve
from conftest import Checkout
from distributions import wheel
from strace import NO_LOCKS, failing
from upstream import Upstream

from scripts import CODE, owner
from scripts.root import opened

ALPHA = wheel("alpha", "1.0")
SUMMARY = r"published \d{8}T\d{6}Z-[0-9a-f]{12}: 1 projects, 1 files"
WHO = r"process \d+ on \S+, since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC"
ELSEWHERE = "process 12 on elsewhere, since 2026-01-02 03:04:05 UTC"
NOTE = f"{ELSEWHERE}\nmachine 1234/5\ntoken {'a' * 32}\n"
PATIENT = ", or until it gave no sign for 5 minutes"
# Says that it works, and ends when it is told to.
HOLD = """
import sys
from pathlib import Path
from scripts.root import opened
with opened(Path(sys.argv[1])) as root:
    print("works", flush=True)
    sys.stdin.readline()
    root.refuse_if_taken()
"""
# Every one writes two lines; nobody else may write in between.
ALONE = """
import os, sys, time
from pathlib import Path
from scripts.root import opened
log = os.open(sys.argv[2], os.O_WRONLY | os.O_APPEND)
print("is ready", flush=True)
sys.stdin.readline()
with opened(Path(sys.argv[1])) as root:
    os.write(log, f"begin {os.getpid()}\\n".encode())
    time.sleep(0.05)
    root.refuse_if_taken()
    os.write(log, f"end {os.getpid()}\\n".encode())
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A shared folder that a run has used."""
    path = tmp_path / "shared"
    with opened(path):
        pass
    return path


@pytest.fixture
def approved(checkout: Checkout, upstream: Upstream) -> Checkout:
    upstream.add(ALPHA)
    approve(ALPHA)
    return checkout


def start(*command: str | Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command,
        env=os.environ | {"PYTHONPATH": str(CODE)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def holding(folder: Path, before: Sequence[str] = ()) -> subprocess.Popen[str]:
    """Start a run that works on the folder until it gets a line, and wait until it works."""
    process = start(*before, sys.executable, "-c", HOLD, folder)
    assert process.stdout is not None
    assert process.stdout.readline() == "works\n", process.communicate()[1]
    return process


def second_run(checkout: Checkout, before: Sequence[str] = ()) -> subprocess.Popen[str]:
    command = (sys.executable, "-m", "scripts.index", f"--root={checkout.root}", f"--upstream={checkout.upstream.url}")
    return start(*before, *command, f"--caddy={sys.executable}")


def first_line(process: subprocess.Popen[str]) -> str:
    assert process.stderr is not None
    return process.stderr.readline()


def killed(folder: Path, before: Sequence[str] = ()) -> str:
    """Have a run killed at work; returns who it was."""
    with holding(folder, before) as process:
        text = (folder / ".owner").read_text()
        found = re.match(rf"process (\d+) on {re.escape(socket.gethostname())}, since [\d :-]+ UTC", text)
        assert found
        os.kill(int(found[1]), signal.SIGKILL)
        process.communicate()
    assert (folder / ".owner").read_text() == text
    return found[0]


def age(path: Path, seconds: float = 301) -> None:
    """Let it be that long ago that its owner gave a sign."""
    moment = time.time() - seconds
    os.utime(path, (moment, moment), follow_symlinks=False)


def left_by_dead_run(folder: Path) -> Path:
    """Make the file that a run makes which is about to replace the one with NOTE."""
    path = folder / f".owner.{hashlib.sha256(NOTE.encode()).hexdigest()[:16]}"
    path.write_text("theirs\n")
    return path


# With locks


@pytest.mark.parametrize(
    ("note", "who"),
    [(NOTE, ELSEWHERE), ("", "another run"), ("\x1b[2Jevil\n", "another run"), (NOTE * 2, "another run")],
)
def test_a_second_run_waits_and_says_for_whom(folder: Path, note: str, who: str) -> None:
    (folder / ".owner").write_text(note)
    with (folder / ".pypi-index").open("r+") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with start(sys.executable, "-c", HOLD, folder) as process:
            line = first_line(process)
            found = (folder / ".owner").read_text()
            (folder / ".owner").unlink()
            fcntl.flock(held, fcntl.LOCK_UN)
            assert process.communicate("\n") == ("works\n", "")
    assert (line, found) == (f"{folder}: waiting for {who}\n", note)


def test_a_run_writes_down_who_it_is_as_long_as_it_works(tmp_path: Path) -> None:
    with opened(tmp_path / "shared") as root:
        note = (root.path / ".owner").read_text()
        assert root.owner is not None
        root.refuse_if_taken()
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    assert re.fullmatch(rf"{WHO}\nmachine {boot}/{root.path.stat().st_dev}\ntoken [0-9a-f]{{32}}\n", note)
    assert note.startswith(f"process {os.getpid()} on {socket.gethostname()}, since ")
    assert not (root.path / ".owner").exists()
    assert (root.path / ".pypi-index").read_text() == "pypi-index, layout 1\n"


def test_many_first_runs_at_once_all_succeed_and_publish_once(approved: Checkout) -> None:
    runs = [second_run(approved) for _ in range(4)]
    texts = [run.communicate()[1] for run in runs]
    assert [run.returncode for run in runs] == [0] * 4
    assert len([text for text in texts if "1 added" in text]) == 1
    assert len(list((approved.root / "releases").iterdir())) == 1


def test_who_was_killed_is_replaced_at_once_on_the_same_machine(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    who = killed(folder)
    with opened(folder):
        assert capsys.readouterr().err == f"{folder}: going on in the place of {who}, which died\n"
    assert not (folder / ".owner").exists()


def test_a_run_whose_file_could_not_be_removed_does_not_take_itself_for_dead(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    unlink = Path.unlink

    def on_a_bad_disk(path: Path, *, missing_ok: bool = False) -> None:
        if path.name == owner.FILE:
            raise OSError(errno.EIO, os.strerror(errno.EIO), str(path))
        unlink(path, missing_ok=missing_ok)

    with monkeypatch.context() as bad:
        bad.setattr(Path, "unlink", on_a_bad_disk)
        with opened(folder):
            pass
    assert (folder / owner.FILE).is_file()
    with opened(folder):
        pass
    assert not (folder / owner.FILE).exists()
    assert capsys.readouterr().err == ""


def test_the_lock_of_one_machine_says_nothing_of_another(folder: Path) -> None:
    (folder / ".owner").write_text(NOTE)
    with start(sys.executable, "-c", HOLD, folder) as process:
        assert first_line(process) == f"{folder}: waiting for {ELSEWHERE}{PATIENT}\n"
        (folder / ".owner").unlink()
        assert process.communicate("\n") == ("works\n", "")
    assert process.returncode == 0


def test_a_lock_says_nothing_of_who_got_none(folder: Path) -> None:
    with holding(folder, failing(NO_LOCKS)) as first:
        text = (folder / ".owner").read_text()
        assert text.splitlines()[1] == "machine -"
        with start(sys.executable, "-c", HOLD, folder) as second:
            assert first_line(second) == f"{folder}: waiting for {text.splitlines()[0]}{PATIENT}\n"
            assert first.communicate("\n") == ("", "")
            assert second.communicate("\n") == ("works\n", "")


# Without locks


def test_without_locks_a_second_run_waits_too(approved: Checkout) -> None:
    before = failing(NO_LOCKS)
    with holding(approved.root, before) as first:
        who = (approved.root / ".owner").read_text().splitlines()[0]
        with second_run(approved, before) as second:
            assert first_line(second) == f"{approved.root}: waiting for {who}{PATIENT}\n"
            assert not (approved.root / "web").is_symlink()
            assert first.communicate("\n") == ("", "")
            text = second.communicate()[1]
    assert (first.returncode, second.returncode) == (0, 0)
    assert re.fullmatch(rf"{approved.root}: {SUMMARY} \(1 added, 0 retired\)\n", text)


def test_without_locks_who_gave_no_sign_for_five_minutes_is_replaced(folder: Path) -> None:
    before = failing(NO_LOCKS)
    who = killed(folder, before)
    age(folder / ".owner", 200)
    with start(*before, sys.executable, "-c", HOLD, folder) as process:
        assert first_line(process) == f"{folder}: waiting for {who}{PATIENT}\n"
        age(folder / ".owner")
        assert process.communicate("\n") == ("works\n", f"{folder}: going on in the place of {who}, which died\n")


@pytest.mark.slow
@pytest.mark.parametrize("dead", [True, False], ids=["with a dead owner", "with none"])
def test_of_many_at_once_one_works_at_a_time(folder: Path, tmp_path: Path, dead: bool) -> None:
    before = failing(NO_LOCKS)
    if dead:
        (folder / ".owner").write_text(NOTE)
        age(folder / ".owner")
    log = tmp_path / "log"
    log.touch()
    runs = [start(*before, sys.executable, "-c", ALONE, folder, log) for _ in range(8)]
    assert [run.stdout.readline() for run in runs if run.stdout] == ["is ready\n"] * 8
    for run in runs:
        assert run.stdin is not None
        run.stdin.write("\n")
        run.stdin.flush()
    texts = [run.communicate()[1] for run in runs]
    assert [run.returncode for run in runs] == [0] * 8, texts
    lines = log.read_text().splitlines()
    assert len({line.split()[1] for line in lines}) == 8
    for begin, end in zip(lines[::2], lines[1::2], strict=True):
        assert (begin.split()[0], end) == ("begin", begin.replace("begin", "end"))
    assert len([text for text in texts if "which died" in text]) == dead
    assert list(folder.glob(".owner*")) == []


@pytest.mark.parametrize("quicker", ["has replaced it", "is about to"])
def test_who_is_slower_to_replace_a_dead_owner_changes_nothing(folder: Path, quicker: str) -> None:
    # Between two system calls of the slower one, where no other process can be stopped reliably.
    place = folder / ".owner"
    place.write_text(NOTE)
    found = owner._find(place)
    assert found is not None
    if quicker == "is about to":
        left_by_dead_run(folder)
    else:
        place.write_text(NOTE.replace("aaa", "bbb"))
    before = {path.name: path.read_bytes() for path in folder.glob(".owner*")}
    with (folder / ".pypi-index").open("r+") as marker:
        assert owner._replace(place, found, b"mine\n", marker) is None
    assert {path.name: path.read_bytes() for path in folder.glob(".owner*")} == before


# What is no note of a living run


def test_a_time_to_come_is_no_sign_of_life(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / ".owner").write_text(NOTE)
    age(folder / ".owner", -400)
    with opened(folder):
        assert capsys.readouterr().err == f"{folder}: going on in the place of {ELSEWHERE}, which died\n"


@pytest.mark.parametrize("kind", ["link", "link to nothing", "pipe", "garbage", "empty"])
def test_what_somebody_put_there_is_waited_for_and_replaced_and_not_followed(
    folder: Path, tmp_path: Path, kind: str
) -> None:
    place, theirs = folder / ".owner", tmp_path / "thesis.tex"
    theirs.write_text("precious")
    match kind:
        case "link":
            place.symlink_to(theirs)
        case "link to nothing":
            place.symlink_to(tmp_path / "nothing")
        case "pipe":
            os.mkfifo(place)
        case _:
            place.write_text("\x1b[2Jevil\n" if kind == "garbage" else "")
    with start(sys.executable, "-c", HOLD, folder) as process:
        assert first_line(process) == f"{folder}: waiting for another run{PATIENT}\n"
        age(place)
        assert process.communicate("\n") == ("works\n", f"{folder}: going on in the place of another run, which died\n")
    assert theirs.read_text() == "precious"
    assert not (tmp_path / "nothing").exists()
    assert list(folder.glob(".owner*")) == []


def test_a_folder_in_its_place_is_named(folder: Path) -> None:
    (folder / ".owner").mkdir()
    with pytest.raises(SystemExit) as caught, opened(folder):
        pass
    assert str(caught.value) == (
        f"PYPI_ROOT: {folder}/.owner is a folder, where a file says which run works there; remove it"
    )


def test_who_dies_while_it_replaces_another_is_no_obstacle(folder: Path) -> None:
    place = folder / ".owner"
    place.write_text(NOTE)
    age(place)
    (folder / ".owner.of-another").touch()
    age(left_by_dead_run(folder))
    with opened(folder) as root:
        root.refuse_if_taken()
        assert [path.name for path in folder.glob(".owner*")] == [".owner"]


# Who was thought dead


@pytest.mark.parametrize(("there", "who"), [(NOTE, ELSEWHERE), ("evil\n", "another run"), ("", "another run")])
def test_a_run_that_was_thought_dead_is_refused_and_leaves_the_other_alone(folder: Path, there: str, who: str) -> None:
    with opened(folder) as root:
        (folder / ".owner.new").write_text(there)
        (folder / ".owner.new").replace(folder / ".owner")
        with pytest.raises(SystemExit) as caught:
            root.refuse_if_taken()
    assert str(caught.value) == (
        f"PYPI_ROOT: {folder} was taken over by {who}, since this run gave no sign for 5 minutes; run it again"
    )
    assert (folder / ".owner").read_text() == there


def test_a_run_whose_file_is_gone_is_refused(folder: Path) -> None:
    with opened(folder) as root:
        (folder / ".owner").unlink()
        with pytest.raises(SystemExit) as caught:
            root.refuse_if_taken()
    assert str(caught.value) == (
        f"PYPI_ROOT: {folder} was taken over by another run, since this run gave no sign for 5 minutes; run it again"
    )


def test_a_run_that_was_stopped_and_replaced_is_refused(folder: Path) -> None:
    before = failing(NO_LOCKS)
    with holding(folder, before) as first:
        pid = int((folder / ".owner").read_text().split()[1])
        os.kill(pid, signal.SIGSTOP)
        age(folder / ".owner")
        with holding(folder, before) as second:
            os.kill(pid, signal.SIGCONT)
            who = (folder / ".owner").read_text().splitlines()[0]
            assert first.communicate("\n") == (
                "",
                f"PYPI_ROOT: {folder} was taken over by {who}, since this run gave no sign for 5 minutes; "
                "run it again\n",
            )
            second.communicate("\n")
    assert (first.returncode, second.returncode) == (1, 0)


def test_a_living_run_renews_its_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(owner, "HEARTBEAT", 0.001)
    with opened(folder):
        os.utime(folder / ".owner", (0, 0))
        while (folder / ".owner").stat().st_mtime == 0:
            pass


# How it ends


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_run_that_is_told_to_end_lets_the_next_one_in(folder: Path, number: signal.Signals) -> None:
    with holding(folder) as process:
        process.send_signal(number)
        process.communicate()
    assert process.returncode == -number
    assert not (folder / ".owner").exists()


def test_a_run_that_fails_lets_the_next_one_in(folder: Path) -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(ValueError, match="failed"), opened(folder):
        raise ValueError("failed")
    assert not (folder / ".owner").exists()
    assert signal.getsignal(signal.SIGTERM) is before


def test_only_the_standard_library_is_needed() -> None:
    # What rolls back or imports has no .venv.
    subprocess.run((sys.executable, "-S", "-c", "import scripts.root"), cwd=CODE, check=True)
