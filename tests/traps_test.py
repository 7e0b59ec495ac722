"""No code of a package runs in any verb of make: wheels and sdists that leave a trace when anything of them does."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
from distributions import BACKEND, PYPROJECT, Distribution, _tar_gz, core_metadata, sdist, wheel
from index_test import git
from project import ALONE, copy_of_project, environment, make
from upstream import Upstream

SETTINGS = """\
python_versions: ["3.12"]
platforms: [manylinux_2_28_x86_64]
policy:
  yanked: warn
  sdists: warn
  licenses: {{allow: [MIT], level: warn}}
resolve_deps: {}
{}"""
# What Python, pip, setuptools or pytest run of a folder that they come upon.
RUN_BY_ITSELF = (
    *("sitecustomize.py", "usercustomize.py", "conftest.py", "setup.py", "backend.py", "_custom_build.py"),
    *("__main__.py", "trap/__init__.py", "trap/__main__.py", "pip/__init__.py", "setuptools/__init__.py"),
)
ENTRY_POINTS = """\
[console_scripts]
trap = trap:main
[pytest11]
trap = trap
[distutils.commands]
egg_info = trap:main
[egg_info.writers]
trap = trap:main
[setuptools.finalize_distribution_options]
trap = trap:main
[keyring.backends]
trap = trap
"""
SETUP_CFG = """\
[metadata]
name = source
version = attr: trap.version
[options]
setup_requires = needless
cmdclass =
    egg_info = trap.main
    bdist_wheel = trap.main
"""


def springs(traces: Path, origin: str) -> bytes:
    """Return code that leaves a trace: which of the traps was it?"""
    return f"import pathlib; pathlib.Path({str(traces / origin.replace('/', '-'))!r}).touch()\n".encode()


def trap_wheel(traces: Path, name: str = "trap", version: str = "1.0") -> Distribution:
    """Return a wheel with all that some program may run without being asked."""
    files = {each: springs(traces, f"wheel {each}") for each in RUN_BY_ITSELF}
    files[f"{name}.pth"] = springs(traces, "wheel pth")
    files[f"{name}-{version}.data/scripts/{name}"] = b"#!python\n" + springs(traces, "wheel script")
    files[f"{name}-{version}.dist-info/entry_points.txt"] = ENTRY_POINTS.encode()
    files["pyproject.toml"] = PYPROJECT.format([]).encode()
    return wheel(name, version, files=files)


def trap_sdist(traces: Path, version: str = "1.0") -> Distribution:
    """Return an sdist whose every way to be built or looked into is a trap."""
    built = wheel("source", version)
    files = {each: springs(traces, f"sdist {each}") for each in RUN_BY_ITSELF}
    files["backend.py"] += f"{BACKEND}FILENAME = {built.filename!r}\nWHEEL = {built.data!r}\n".encode()
    files |= {"PKG-INFO": core_metadata("source", version), "setup.cfg": SETUP_CFG.encode()}
    files["source.pth"] = springs(traces, "sdist pth")
    files["source.egg-info/entry_points.txt"] = ENTRY_POINTS.encode()
    files["pyproject.toml"] = PYPROJECT.format([]).encode()
    data = _tar_gz({f"source-{version}/{member}": content for member, content in files.items()})
    return Distribution(f"source-{version}.tar.gz", data, core_metadata("source", version))


@pytest.fixture
def traces(tmp_path: Path) -> Path:
    """Return the folder of the traces, empty at first."""
    folder = tmp_path / "traces"
    folder.mkdir()
    return folder


def sprung(traces: Path) -> list[str]:
    return sorted(path.name for path in traces.iterdir())


def failed(project: Path, upstream: Upstream, *verbs: str) -> list[str]:
    """Do what a person and a job do with a checkout; returns what went wrong."""
    given = f"UPSTREAM={upstream.url}", f"CADDY={sys.executable}", "BASE=HEAD"
    done = [make(project, *verb.split(), *given, env=environment(**ALONE)) for verb in verbs]
    return [f"{one.args}: {one.stdout}{one.stderr}" for one in done if one.returncode]


def checkout(path: Path, requirements: str, settings: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a checkout with one commit, in which nothing is locked yet."""
    project = copy_of_project(path, without=("locks/",))
    (project / "requirements.in").write_text(requirements)
    (project / "packages.yaml").write_text(settings)
    monkeypatch.chdir(project)
    git("init", "--quiet")
    git("add", "--all")
    git("commit", "--quiet", "--message=a start")
    return project


def test_no_verb_runs_code_of_what_is_listed(
    tmp_path: Path, traces: Path, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    upstream.add(trap_wheel(traces))
    upstream.add(trap_sdist(traces))
    settings = SETTINGS.format("false", "allow_sdists: [source]\n")
    project = checkout(tmp_path / "checkout", "trap==1.0\nsource==1.0\n", settings, monkeypatch)
    assert (
        failed(project, upstream, "lock", "upgrade", "review", "closure", "index", "verify", "why PACKAGE=trap") == []
    )
    assert {path.name for path in (project / "pypi/web/simple").iterdir() if path.is_dir()} == {"trap", "source"}
    assert sprung(traces) == []


@pytest.mark.slow
def test_no_verb_runs_code_of_what_is_resolved(
    tmp_path: Path, traces: Path, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Sdists of the same projects stand beside the wheels: no resolver may look into them.
    needy = wheel("needy", "1.0", requires=["trap"])
    for one in (needy, trap_wheel(traces), sdist("trap", "2.0", trace=traces / "sdist", build_backend_in_tree=True)):
        upstream.add(one)
    upstream.add(trap_sdist(traces))
    upstream.add(trap_wheel(traces, "source", "0.9"))
    settings = SETTINGS.format("true", "")
    project = checkout(tmp_path / "checkout", "needy\nsource\n", settings, monkeypatch)
    assert failed(project, upstream, "lock", "review", "index", "why PACKAGE=trap") == []
    assert {path.name for path in (project / "pypi/web/simple").iterdir() if path.is_dir()} == {
        *("needy", "source", "trap")
    }
    assert sprung(traces) == []


def test_the_traps_are_sharp(tmp_path: Path, traces: Path) -> None:
    wheel_place, sdist_place = tmp_path / "wheel", tmp_path / "sdist"
    zipfile.ZipFile(trap_wheel(traces).save(tmp_path)).extractall(wheel_place)  # noqa: S202
    with tarfile.open(trap_sdist(traces).save(tmp_path)) as archive:
        archive.extractall(sdist_place, filter="data")
    env = environment(PYTHONPATH=str(wheel_place))
    subprocess.run((sys.executable, "-c", "import trap"), env=env, check=True)
    subprocess.run((sys.executable, "-c", f"import site; site.addsitedir({str(wheel_place)!r})"), check=True)
    subprocess.run((sys.executable, sdist_place / "source-1.0/setup.py"), check=True)
    assert {"wheel sitecustomize.py", "wheel pth", "sdist setup.py", "wheel trap-__init__.py"} <= {*sprung(traces)}
