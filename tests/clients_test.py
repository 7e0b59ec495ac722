"""Real clients against the served index, with nothing else in reach."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from client_environment import empty_environment, holds, once, pip_environment, run, tool_environment
from client_index import (
    BETWEEN,
    PIPS,
    RUNNING,
    WEIGHT,
    Served,
    compiled_tag,
    interpreter,
    newest_python,
    publish,
    watched,
)
from client_tools import MIRRORS, OLD_UV, TOOLS, Mirror, Tool, pip_options
from conftest import Checkout
from distributions import wheel
from interpreters import found
from project import ALONE, copy_of_project, environment, find_caddy, make, served
from upstream import Upstream

from scripts import locks
from scripts.target import Target

live, slow = pytest.mark.live, pytest.mark.slow
APP = "app[more]"
# What comes with it on Linux: through its extra, compiled for one Python, and through one of two markers.
NEEDED = ["app", "extra", "fast", "posix-only"]
# What was published for it.
WHEELS = [
    *("app-1.0-py3-none-any.whl", "extra-1.0-py3-none-any.whl"),
    *(f"fast-1.0-{compiled_tag(RUNNING)}.whl", "posix_only-1.0-py3-none-any.whl"),
]
NEWEST_PIP = (sys.executable, "-m", "pip")
NEWEST_UV = Path(sys.prefix) / "bin" / "uv"


def _run(command: Sequence[str | Path], **env: str) -> str:
    done = subprocess.run(
        command, env=environment(**ALONE, **env), capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def _pip(*arguments: str | Path, python: str | Path = sys.executable) -> str:
    return _run(
        (python, "-m", "pip", "--isolated", "--disable-pip-version-check", *arguments), PIP_CONFIG_FILE=os.devnull
    )


@pytest.fixture
def offered(checkout: Checkout, upstream: Upstream) -> Checkout:
    """An index with a dependency that a marker decides, a compiled wheel for Linux and one for Windows."""
    upstream.add(wheel("app", "1.0", requires=("fast>=1", 'winonly; sys_platform == "win32"')))
    for tag in ("cp312-cp312-manylinux_2_17_x86_64", "cp312-cp312-win_amd64"):
        upstream.add(wheel("fast", "1.0", tag=tag))
    upstream.add(wheel("winonly", "1.0"))
    checkout.write(
        "app\n",
        packages_yaml='resolve_deps: true\npython_versions: ["3.12"]\nplatforms: [manylinux_2_28_x86_64, win_amd64]\n',
    )
    assert checkout.lock() == 0
    assert checkout.index(f"--caddy={find_caddy()}") == 0
    upstream.stop()
    return checkout


def test_pip_installs_for_each_target_from_the_index_alone(offered: Checkout, tmp_path: Path) -> None:
    with served(offered.root) as url:
        for key in locks.existing():
            folder = tmp_path / str(key.target)
            options = (*pip_options(key.target), "--only-binary=:all:", f"--target={folder}")
            _pip("install", f"--index-url={url}", "--no-cache-dir", "--no-deps", *options, "app", "fast")
            assert sorted(path.name for path in folder.glob("*.dist-info")) == [
                "app-1.0.dist-info",
                "fast-1.0.dist-info",
            ]
            installed = (folder / "fast-1.0.dist-info" / "WHEEL").read_text()
            assert ("win_amd64" in installed) == (key.target.platform == "win_amd64")


@pytest.mark.parametrize(
    ("platform", "expected"),
    [
        ("linux", ["app", "fast"]),
        pytest.param("windows", ["app", "fast", "winonly"], marks=pytest.mark.slow),
    ],
)
def test_uv_resolves_and_installs_from_the_index_alone(
    offered: Checkout, tmp_path: Path, platform: str, expected: list[str]
) -> None:
    uv = Path(sys.prefix) / "bin" / "uv"
    options = ("--python-version=3.12", f"--python-platform={platform}", "--no-config", "--no-cache")
    plain = ("--no-header", "--no-annotate")
    with served(offered.root) as url:
        pins = _run(
            (uv, "pip", "compile", *options, *plain, f"--default-index={url}", offered.path / "requirements.in")
        )
        assert [pin.partition("==")[0] for pin in pins.split()] == expected
        _run((uv, "pip", "install", *options, f"--default-index={url}", f"--target={tmp_path / 'to'}", "app"))
        assert [path.name.partition("-")[0] for path in sorted((tmp_path / "to").glob("*.dist-info"))] == expected


def test_the_tree_works_below_a_path_prefix(offered: Checkout, tmp_path: Path) -> None:
    (tmp_path / "prefix").mkdir()
    (tmp_path / "prefix" / "python").symlink_to(offered.root / "web")
    url = f"file://{tmp_path}/prefix/python/simple/"
    _pip("download", f"--index-url={url}", "--no-deps", f"--dest={tmp_path / 'to'}", "app")
    assert [path.name for path in (tmp_path / "to").iterdir()] == ["app-1.0-py3-none-any.whl"]


@pytest.mark.live
@pytest.mark.slow
def test_the_shipped_example_is_published_and_installed_in_two_commands(tmp_path: Path) -> None:
    clone = copy_of_project(tmp_path / "a clone")
    git = ("git", "-c", "user.name=a", "-c", "user.email=a@example.com")
    for command in ("init", "--quiet"), ("add", "--all"), ("commit", "--quiet", "--message=shipped"):
        subprocess.run((*git, *command), cwd=clone, check=True)
    done = make(clone, "index", own_venv=True)
    assert done.returncode == 0, done.stderr
    assert subprocess.run(("git", "status", "--porcelain"), cwd=clone, check=True, capture_output=True).stdout == b""
    used = []
    with served(clone / "pypi") as url:
        for python, interpreter in found().items():
            if any(path.name.startswith(f"{python}-manylinux") for path in (clone / "locks").glob("*/*.txt")):
                _install_and_import(interpreter, tmp_path / python, url)
                used.append(python)
        for path in sorted((clone / "locks").glob("*/*.txt")):
            target = Target.parse(path.stem)
            options = (*pip_options(target), "--only-binary=:all:", f"--target={tmp_path / 'nowhere'}")
            _pip(
                "install",
                "--dry-run",
                f"--index-url={url}",
                "--no-cache-dir",
                *options,
                "flask",
                "pyyaml",
                "requests[socks]",
            )
    if not used:
        pytest.skip("no Python here that the shipped example names: resolved for all, imported by none")


def _install_and_import(interpreter: Path, venv: Path, url: str) -> None:
    _run((interpreter, "-m", "venv", venv))
    python = venv / "bin" / "python"
    _pip("install", f"--index-url={url}", "--no-cache-dir", "flask", "pyyaml", "requests[socks]", "rich", python=python)
    _run((python, "-c", "import flask, markupsafe._speedups, requests, rich, socks, yaml"))


@pytest.fixture(scope="session")
def of_this_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that the workers of a run share."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


@pytest.fixture
def index(of_this_run: Path, tmp_path: Path) -> Iterator[Served]:
    """An index of compiled and pure wheels, an extra, markers and two ages, served for one test."""
    shared = once(of_this_run / "offered", publish) / "shared"
    with watched(shared, tmp_path / "access.log") as served_index:
        yield served_index


def _assert_nothing_is_beyond(index: Served, refused: subprocess.CompletedProcess[str]) -> None:
    """Compare why `orphan` was not installed with the right reason: the index was asked, and nobody knew better."""
    assert refused.returncode != 0, refused.stdout
    assert "idna" in refused.stdout
    assert {each.status for each in index.asked() if each.path == "/simple/idna/"} == {404}


def _client_pip(version: str, folder: Path) -> tuple[str, tuple[str | Path, ...], Path]:
    """Return a Python's version, the command of a pip that installs for it, and its executable."""
    if version == "newest":
        python = empty_environment(folder, Path(sys.executable))
        return RUNNING, (*NEWEST_PIP, "--python", python), python
    chosen = newest_python(PIPS[version])
    if chosen is None:
        pytest.skip(f"pip {version} works on no Python newer than {PIPS[version]}, and none of those is here")
    python = pip_environment(folder, interpreter(chosen), version)
    return chosen, (python, "-m", "pip"), python


@pytest.mark.parametrize("version", ["newest", *(pytest.param(version, marks=(live, slow)) for version in PIPS)])
def test_a_pip_installs_from_the_index_and_knows_nothing_beyond_it(index: Served, tmp_path: Path, version: str) -> None:
    chosen, pip, python = _client_pip(version, tmp_path / "venv")
    install = (*pip, "install", f"--index-url={index.url}")
    done = run(*install, APP, home=tmp_path)
    assert done.returncode == 0, done.stdout
    assert holds(python) == (compiled_tag(chosen), NEEDED)
    _assert_nothing_is_beyond(index, run(*install, "orphan", home=tmp_path))


def _uv(version: str, of_this_run: Path) -> Path:
    pin = f"uv=={version}"
    return NEWEST_UV if version == "newest" else tool_environment(of_this_run / pin, pin) / "uv"


each_uv = pytest.mark.parametrize("version", ["newest", pytest.param(OLD_UV, marks=live)])


@each_uv
def test_uv_installs_from_the_index_and_knows_nothing_beyond_it(
    index: Served, of_this_run: Path, tmp_path: Path, version: str
) -> None:
    python = empty_environment(tmp_path / "venv", Path(sys.executable))
    options = ("--no-config", f"--python={python}", f"--index-url={index.url}")
    install = (_uv(version, of_this_run), "pip", "install", *options)
    done = run(*install, APP, home=tmp_path)
    assert done.returncode == 0, done.stdout
    assert holds(python) == (compiled_tag(RUNNING), NEEDED)
    _assert_nothing_is_beyond(index, run(*install, "orphan", home=tmp_path))


@pytest.mark.parametrize(
    "tool", [pytest.param(tool, id=name, marks=(live, slow) if tool.pins else ()) for name, tool in TOOLS.items()]
)
def test_a_project_is_locked_and_installed_from_the_index_and_from_nothing_beyond_it(
    index: Served, of_this_run: Path, tmp_path: Path, tool: Tool
) -> None:
    programs = tool.programs(of_this_run)
    done = tool.install(programs, tmp_path / "project", APP, index.url)
    assert done.returncode == 0, done.stdout
    assert holds(tmp_path / "project" / ".venv" / "bin" / "python") == (compiled_tag(RUNNING), NEEDED)
    _assert_nothing_is_beyond(index, tool.install(programs, tmp_path / "orphans", "orphan", index.url))


def _installed_into(folder: Path) -> list[str]:
    return sorted(path.name.removesuffix(".dist-info") for path in folder.glob("*.dist-info"))


@pytest.mark.parametrize(("options", "chosen"), [((), "aged-2.0"), ((f"--uploaded-prior-to={BETWEEN}",), "aged-1.0")])
def test_pip_cools_down_by_the_upload_times_of_the_index(
    index: Served, tmp_path: Path, options: tuple[str, ...], chosen: str
) -> None:
    pip = (*NEWEST_PIP, "install", f"--index-url={index.url}", f"--target={tmp_path / 'to'}")
    done = run(*pip, *options, "aged", home=tmp_path)
    assert done.returncode == 0, done.stdout
    assert _installed_into(tmp_path / "to") == [chosen]


@each_uv
@pytest.mark.parametrize(("options", "chosen"), [((), "aged-2.0"), ((f"--exclude-newer={BETWEEN}",), "aged-1.0")])
def test_uv_cools_down_by_the_upload_times_of_the_index(
    index: Served, of_this_run: Path, tmp_path: Path, version: str, options: tuple[str, ...], chosen: str
) -> None:
    where = (f"--index-url={index.url}", f"--python={sys.executable}", f"--target={tmp_path / 'to'}")
    done = run(_uv(version, of_this_run), "pip", "install", "--no-config", *where, *options, "aged", home=tmp_path)
    assert done.returncode == 0, done.stdout
    assert _installed_into(tmp_path / "to") == [chosen]


@pytest.mark.parametrize(
    "resolve",
    [
        pytest.param((*NEWEST_PIP, "install", "--dry-run", "--requirement"), id="pip"),
        pytest.param((NEWEST_UV, "pip", "compile", f"--python={sys.executable}", "--no-config"), id="uv"),
    ],
)
def test_resolution_alone_fetches_sidecars_and_no_wheel(
    index: Served, tmp_path: Path, resolve: tuple[str | Path, ...]
) -> None:
    (tmp_path / "some.in").write_text(f"{APP}\naged\n")
    done = run(*resolve, "some.in", f"--index-url={index.url}", home=tmp_path)
    assert done.returncode == 0, done.stdout
    asked = index.asked()
    assert sorted((each.path, each.status) for each in asked if each.path.startswith("/packages/")) == [
        (f"/packages/{wheel}.metadata", 200) for wheel in ["aged-2.0-py3-none-any.whl", *WHEELS]
    ]
    # Pages and sidecars of five projects, against five wheels of that weight.
    assert sum(each.size for each in asked) < WEIGHT / 100


@live
@slow
@pytest.mark.parametrize("mirror", MIRRORS.values(), ids=MIRRORS)
def test_a_mirror_offers_what_it_takes_from_the_index(
    index: Served, of_this_run: Path, tmp_path: Path, mirror: Mirror
) -> None:
    python = empty_environment(tmp_path / "venv", Path(sys.executable))
    with mirror(of_this_run, tmp_path, index.url) as url:
        install = (*NEWEST_PIP, "--python", python, "install", f"--index-url={url}")
        done = run(*install, APP, home=tmp_path)
        assert done.returncode == 0, done.stdout
        assert holds(python) == (compiled_tag(RUNNING), NEEDED)
        refused = run(*install, "orphan", home=tmp_path)
    assert refused.returncode != 0, refused.stdout
    assert "No matching distribution found for idna" in refused.stdout
    taken = {each.path.removeprefix("/packages/") for each in index.asked() if each.path.endswith(".whl")}
    assert taken - {"orphan-1.0-py3-none-any.whl"} == set(WHEELS)
