"""The Makefile: the real make in a copy of the project, in a folder whose name has a space."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from distributions import wheel
from interpreters import found
from project import ALONE, CODE, copy_of_project, environment, find_caddy, free_port, make, wait_until_served
from published import Published
from upstream import Upstream

from scripts import serve

CONFIG = 'python_versions: ["3.12"]\nplatforms: [manylinux_2_28_x86_64]\n'


@pytest.fixture
def project(tmp_path: Path, upstream: Upstream) -> Path:
    """A copy of the project that pins one wheel of the test's upstream."""
    path = copy_of_project(tmp_path / "a checkout", without=("locks/",))
    upstream.add(wheel("alpha", "1.0"))
    (path / "requirements.in").write_text("alpha==1.0\n")
    (path / "packages.yaml").write_text(CONFIG)
    return path


def test_make_alone_lists_every_verb() -> None:
    verbs = re.findall(r"^\.PHONY: (\S+)$", (CODE / "Makefile").read_text(), re.MULTILINE)
    done = make(CODE)
    assert done.returncode == 0, done.stderr
    assert [line.split()[1] for line in done.stdout.splitlines()] == verbs
    assert all(len(line.split()) > 3 for line in done.stdout.splitlines())


def test_a_verb_is_enough_for_each_step(project: Path, upstream: Upstream) -> None:
    variables = (f"UPSTREAM={upstream.url}", "PYPI_ROOT=shared folder/pypi")
    assert make(project, "lock", *variables).stderr == "1 locks written, 0 unchanged, 0 removed, 0 failed\n"
    assert make(project, "lock-check").returncode == 0
    done = make(project, "index", *variables)
    assert re.fullmatch(
        r"shared folder/pypi: published \d{8}T\d{6}Z-[0-9a-f]{12}: 1 projects, 1 files \(1 added, 0 retired\)\n",
        done.stderr,
    )
    upstream.requests.clear()
    assert make(project, "why", "PACKAGE=alpha", *variables).stdout.startswith(
        "alpha 1.0\n  alpha-1.0-py3-none-any.whl\n"
    )
    done = make(project, "lock", "index", *variables)
    assert (done.returncode, upstream.requests) == (0, [])
    upstream.add(wheel("alpha", "1.1"))
    (project / "requirements.in").write_text("alpha==1.1\n")
    assert make(project, "index", *variables).returncode == 2
    assert make(project, "upgrade", "PACKAGE=alpha", *variables).returncode == 0
    assert "alpha==1.1" in (project / "locks/requirements/3.12-manylinux_2_28_x86_64.txt").read_text()


def test_make_works_without_builtin_rules_and_in_parallel(project: Path, upstream: Upstream) -> None:
    done = make(project, "--no-builtin-rules", "--jobs=4", "lock", f"UPSTREAM={upstream.url}")
    assert done.returncode == 0, done.stderr


def test_clean_leaves_locks_and_what_is_published(project: Path) -> None:
    for path in ("locks/requirements/x.txt", "pypi/web", ".venv/tools.txt", ".mypy_cache/x"):
        (project / path).parent.mkdir(parents=True, exist_ok=True)
        (project / path).write_text("")
    done = subprocess.run(("make", "clean"), cwd=project, env=environment(), check=True, capture_output=True)
    assert done.stderr == b""
    assert [(project / path).exists() for path in ("locks/requirements/x.txt", "pypi/web")] == [True, True]
    assert [(project / path).exists() for path in (".venv", ".mypy_cache")] == [False, False]


def test_an_old_python_is_refused_in_one_sentence(tmp_path: Path) -> None:
    old = [path for version, path in found().items() if version in {"3.8", "3.9", "3.10"}]
    if not old:
        pytest.skip("no Python older than 3.11 on this machine")
    done = subprocess.run(
        (old[0], CODE / "scripts/install_tools.py", tmp_path / "v", "r.txt"), capture_output=True, text=True
    )
    version = subprocess.check_output(
        (old[0], "-c", "import sys; print('%d.%d' % sys.version_info[:2], end='')"), text=True
    )
    assert done.returncode == 1
    assert done.stderr == (
        f"Python {version} ({old[0]}) is too old: Python 3.11 or newer is needed; "
        "name one, such as make PYTHON=python3.12\n"
    )
    assert not (tmp_path / "v").exists()


def test_a_python_without_venv_is_refused_in_one_sentence(tmp_path: Path) -> None:
    # As Debian ships it: importlib finds no spec for a module that sys.modules has as None.
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['ensurepip'] = None\n")
    done = subprocess.run(
        (sys.executable, CODE / "scripts/install_tools.py", tmp_path / "v", "r.txt"),
        env=environment(PYTHONPATH=str(tmp_path)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr == (
        f"Python {sys.version_info[0]}.{sys.version_info[1]} ({sys.executable}) has no venv module; install it "
        "(Debian: apt install python3-venv), or name another Python with make PYTHON=python3.12\n"
    )


def _interrupted(project: Path, verb: str, ready: Callable[[subprocess.Popen[str]], object], *variables: str) -> str:
    """Start a verb as a terminal does, press Ctrl-C once it is at work, and return what it then says."""
    process = subprocess.Popen(
        ("make", f"VENV={sys.prefix}", verb, *variables),
        cwd=project,
        # Whoever waited for the upstream would wait a day.
        env=environment(PIP_DEFAULT_TIMEOUT="86400"),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    with process:
        ready(process)
        os.killpg(process.pid, signal.SIGINT)
        said = process.communicate()[1]
    assert process.returncode != 0
    return said


def _until_asked(upstream: Upstream) -> Callable[[subprocess.Popen[str]], None]:
    def wait(process: subprocess.Popen[str]) -> None:
        while not upstream.requests and process.poll() is None:
            pass

    return wait


def _one_line(verb: str) -> str:
    return rf"make: \*\*\* \[Makefile:\d+: {verb}\] Interrupt\n"


def test_ctrl_c_ends_a_lock_at_once_in_one_line(project: Path, upstream: Upstream) -> None:
    upstream.fault("/simple/alpha/", "hang")
    said = _interrupted(project, "lock", _until_asked(upstream), f"UPSTREAM={upstream.url}")
    assert re.fullmatch(_one_line("lock"), said), said
    assert not (project / "locks").exists()


@pytest.mark.skipif(os.cpu_count() == 1, reason="one core locks one target at a time")
def test_targets_are_locked_side_by_side(project: Path, upstream: Upstream) -> None:
    (project / "packages.yaml").write_text('python_versions: ["3.12"]\nplatforms: [win_amd64, win_arm64]\n')
    # Nobody gets an answer, so that a second request is a second target's.
    upstream.fault("/simple/alpha/", "hang")

    def until_two_asked(process: subprocess.Popen[str]) -> None:
        give_up = time.monotonic() + 60
        while len(upstream.requests) < 2 and process.poll() is None and time.monotonic() < give_up:
            pass

    _interrupted(project, "lock", until_two_asked, f"UPSTREAM={upstream.url}")
    assert upstream.page_requests() == ["/simple/alpha/"] * 2


def test_ctrl_c_ends_a_fetch_at_once_in_one_line(project: Path, upstream: Upstream) -> None:
    assert make(project, "lock", f"UPSTREAM={upstream.url}").returncode == 0
    upstream.requests.clear()
    upstream.fault("alpha-1.0-py3-none-any.whl", "hang")

    def until_file_asked(process: subprocess.Popen[str]) -> None:
        while not upstream.file_requests() and process.poll() is None:
            pass

    said = _interrupted(project, "index", until_file_asked, f"UPSTREAM={upstream.url}")
    assert re.fullmatch(_one_line("index"), said), said
    upstream.fault("alpha-1.0-py3-none-any.whl", None)
    assert make(project, "index", f"UPSTREAM={upstream.url}").returncode == 0
    assert list((project / "pypi" / "incoming").iterdir()) == []


def test_ctrl_c_does_not_wait_for_a_page(project: Path, upstream: Upstream) -> None:
    assert make(project, "lock", f"UPSTREAM={upstream.url}").returncode == 0
    upstream.requests.clear()
    upstream.fault("/simple/alpha/", "hang")
    said = _interrupted(project, "index", _until_asked(upstream), f"UPSTREAM={upstream.url}")
    assert re.fullmatch(_one_line("index"), said), said


def test_ctrl_c_ends_the_server_cleanly(project: Path, upstream: Upstream) -> None:
    assert make(project, "lock", "index", f"UPSTREAM={upstream.url}").returncode == 0
    port = free_port()

    def until_served(process: subprocess.Popen[str]) -> None:
        wait_until_served(process, port)

    said = _interrupted(project, "serve", until_served, f"LISTEN=127.0.0.1:{port}", f"CADDY={find_caddy()}")
    started = rf"pypi: serving \S+ on 127\.0\.0\.1:{port}; Ctrl-C ends it\n"
    assert re.fullmatch(started + _one_line("serve"), said), said


def test_ctrl_c_ends_the_set_up_in_one_line(project: Path) -> None:
    process = subprocess.Popen(
        ("make", f"PYTHON={sys.executable}", "lock-check"),
        cwd=project,
        env=environment(),
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stderr
    with process:
        said = process.stderr.readline()
        os.killpg(process.pid, signal.SIGINT)
        said += process.stderr.read()
    assert re.fullmatch(
        r"Installing the pinned tools of scripts/requirements.txt into .venv\n"
        r"make: \*\*\* \[Makefile:\d+: .venv/tools.txt\] Interrupt\n",
        said,
    ), said


def test_a_venv_that_is_none_is_not_touched(project: Path, tmp_path: Path) -> None:
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "file").write_text("x")
    done = subprocess.run(
        ("make", f"PYTHON={sys.executable}", f"VENV={tmp_path}/precious", "lock-check"),
        cwd=project,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert f"VENV: {tmp_path}/precious holds other things; name a new or empty folder\n" in done.stderr
    assert [path.name for path in (tmp_path / "precious").iterdir()] == ["file"]


@pytest.mark.parametrize("folder", ["scripts", "tests", "caddy"])
def test_every_tool_is_pinned_with_hashes(folder: str) -> None:
    entries = re.split(r"\n(?=\S)", (CODE / folder / "requirements.txt").read_text())
    pins = [entry for entry in entries if not entry.startswith("#")]
    assert pins
    assert [pin for pin in pins if not re.match(r"[a-z0-9-]+==\S+ \\\n    --hash=sha256:[0-9a-f]{64}", pin)] == []


def test_a_tilde_in_the_shared_folders_name_is_a_tilde(project: Path, upstream: Upstream) -> None:
    done = make(project, "lock", "index", f"UPSTREAM={upstream.url}", "PYPI_ROOT=~/pypi")
    assert done.returncode == 0, done.stderr
    assert (project / "~" / "pypi" / "web" / "simple" / "alpha" / "index.html").is_file()


def test_a_port_that_is_taken_is_told(project: Path, upstream: Upstream) -> None:
    assert make(project, "lock", "index", f"UPSTREAM={upstream.url}").returncode == 0
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        done = make(project, "serve", f"LISTEN={listen}")
    assert done.stderr.splitlines()[0] == (
        f"LISTEN: {listen}: Address already in use; end what listens there, or name another port"
    )


@pytest.mark.parametrize(
    ("listen", "said"),
    [
        ("8000", "LISTEN: 8000 is not host:port; write 127.0.0.1:8000, or :8000 for every address"),
        (":x", "LISTEN: :x is not host:port; write 127.0.0.1:8000, or :8000 for every address"),
        ("no.invalid:80", "LISTEN: no.invalid:80: Name or service not known; name an address of this machine"),
        ("192.0.2.1:80", "LISTEN: 192.0.2.1:80: Cannot assign requested address; name an address of this machine"),
    ],
)
def test_nothing_is_said_to_be_served_where_nobody_can_listen(
    original: Published, capsys: pytest.CaptureFixture[str], listen: str, said: str
) -> None:
    with pytest.raises(SystemExit) as caught:
        serve.main([f"--root={original.root}", f"--listen={listen}", f"--caddy={sys.executable}"])
    assert (caught.value.code, capsys.readouterr().err) == (said, "")


@pytest.mark.parametrize("is_buffered", [False, True])
@pytest.mark.parametrize("verb", ["releases", "closure_matrix"])
def test_a_reader_that_has_enough_is_no_error(original: Published, verb: str, *, is_buffered: bool) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    env = environment(PYTHONPATH=str(CODE), PYTHONUNBUFFERED="" if is_buffered else "1", **ALONE)
    command = (sys.executable, "-m", f"scripts.{verb}", f"--root={original.root}")
    done = subprocess.run(command, cwd=original.checkout, env=env, stdout=writer, stderr=subprocess.PIPE, text=True)
    os.close(writer)
    assert done.returncode == 1
    assert [line for line in done.stderr.splitlines() if not line.startswith("not checked: ")] == []


@pytest.mark.parametrize(
    ("redirection", "expected"),
    [(">&-", (0, "")), (">/dev/full", (1, "standard output: No space left on device; mend that\n"))],
)
def test_an_output_that_takes_nothing_is_told(original: Published, redirection: str, expected: tuple[int, str]) -> None:
    script = f'"$0" -m scripts.releases --root="$1" {redirection}'
    env = environment(PYTHONPATH=str(CODE), PYTHONUNBUFFERED="", **ALONE)
    done = subprocess.run(("sh", "-c", script, sys.executable, original.root), env=env, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == expected


def test_serve_says_what_is_missing(project: Path, original: Published) -> None:
    done = make(project, "serve")
    assert done.returncode == 2
    assert done.stderr.splitlines()[0] == "pypi/web: nothing is published there; run make index"
    done = make(project, "serve", "CADDY=/nowhere/caddy", f"PYPI_ROOT={original.root}")
    assert done.returncode == 2
    assert done.stderr.splitlines()[0].startswith("CADDY: /nowhere/caddy is no program; ")


def test_a_listen_without_a_port_is_refused(tmp_path: Path) -> None:
    (tmp_path / "web").mkdir()
    done = subprocess.run(
        (CODE / "caddy" / "caddy", "run"),
        env={"LISTEN": "8000", "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr == "LISTEN: 8000 is not host:port; write 127.0.0.1:8000, or :8000 for every address\n"


def test_the_users_own_caddy_is_staged(project: Path, upstream: Upstream, tmp_path: Path) -> None:
    own = shutil.copy(find_caddy(), tmp_path / "my-caddy")
    assert make(project, "lock", "index", f"UPSTREAM={upstream.url}", f"CADDY={own}").returncode == 0
    version = subprocess.check_output((own, "version"))
    assert subprocess.check_output((project / "pypi/bin/caddy", "version")) == version


@pytest.mark.live
@pytest.mark.parametrize("folder", ["scripts", "tests", "caddy"])
def test_the_pinned_tools_are_there_for_the_oldest_python(folder: str, tmp_path: Path) -> None:
    """Debian 12 has 3.11.2."""
    options = ("--dry-run", "--ignore-installed", "--no-deps", "--require-hashes", "--quiet", f"--target={tmp_path}")
    only = ("--only-binary=:all:", "--python-version=3.11.0", f"--requirement={CODE}/{folder}/requirements.txt")
    done = subprocess.run(
        (sys.executable, "-m", "pip", "install", *options, *only), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
