"""deploy/saturn/: both recipes, run as a user who is not root, on a shared folder of their own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from distributions import wheel
from project import ALONE, CODE, copy_of_project, environment, free_port, wait_until_served
from upstream import Upstream

HOME = "/home/jovyan"
PACKAGES = ("flask", "pyyaml", "requests", "rich")


def _recipe(name: str) -> dict[str, Any]:
    recipe: dict[str, Any] = yaml.safe_load((CODE / "deploy" / "saturn" / f"{name}.yaml").read_text())
    return recipe


def _not_root() -> tuple[str, ...]:
    """Return what runs a command as another user than root, who is one already where the tests do not run as root."""
    if os.getuid() != 0:
        return ()
    command = ("unshare", "--user", "--map-user=1000", "--map-group=1000")
    if not shutil.which("unshare") or subprocess.run((*command, "true"), capture_output=True, check=False).returncode:
        pytest.skip("this machine lets root become nobody else")
    return command


def _command(spec: dict[str, Any], home: Path) -> tuple[str, ...]:
    return (*_not_root(), "bash", "-c", spec["command"].replace(HOME, str(home)))


def _variables(spec: dict[str, Any], home: Path) -> dict[str, str]:
    return {name: str(value).replace(HOME, str(home)) for name, value in spec["environment_variables"].items()}


def _lay_out(spec: dict[str, Any], home: Path) -> None:
    for folder in spec["shared_folders"]:
        Path(folder["path"].replace(HOME, str(home))).mkdir(parents=True)
    for name, file in spec["config_files"].items():
        (home / name).write_text(file["content"])
        (home / name).chmod(int(file["mode"], 8))


@pytest.mark.parametrize("name", ["job", "deployment"])
def test_a_recipe_has_what_its_platform_asks_for(name: str) -> None:
    recipe = _recipe(name)
    spec = recipe["spec"]
    assert recipe["type"] == name
    assert {"name", "owner", "description", "image", "instance_type", "command", "working_directory"} <= set(spec)
    assert [sorted(folder) for folder in spec["shared_folders"]] == [["name", "owner", "path"]]


def test_both_recipes_share_one_folder_and_the_deployment_is_open_to_pip() -> None:
    job, deployment = _recipe("job")["spec"], _recipe("deployment")["spec"]
    assert job["shared_folders"] == deployment["shared_folders"]
    assert job["environment_variables"]["PYPI_ROOT"] == job["shared_folders"][0]["path"]
    assert deployment["scale"] == 1
    assert deployment["routes"] == [{"container_port": 8000, "visibility": "unauthenticated"}]
    assert deployment["environment_variables"]["LISTEN"] == "0.0.0.0:8000"


def test_the_job_builds_and_the_deployment_serves_as_another_user_than_root(tmp_path: Path, upstream: Upstream) -> None:
    for name in PACKAGES:
        upstream.add(wheel(name, "1.0", extras={"socks": ()} if name == "requests" else {}))
    job, deployment, home = _recipe("job")["spec"], _recipe("deployment")["spec"], tmp_path / "home"
    checkout = copy_of_project(Path(job["working_directory"].replace(HOME, str(home))))
    _lay_out(job, home)
    env = environment(**_variables(job, home), HOME=str(home), VENV=sys.prefix, UPSTREAM=upstream.url)
    done = subprocess.run(_command(job, home), cwd=checkout, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    upstream.stop()

    port = free_port()
    # All that the deployment has: no registry, no Python of ours, and a port that is free here.
    env = _variables(deployment, home) | {"LISTEN": f"0.0.0.0:{port}", "PATH": "/usr/bin:/bin"}
    process = subprocess.Popen(
        _command(deployment, home), cwd=home, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    with process:
        try:
            wait_until_served(process, port)
            pip = (sys.executable, "-m", "pip", "--isolated", "install", "--no-cache-dir")
            options = (f"--index-url=http://127.0.0.1:{port}/simple/", f"--target={tmp_path / 'to'}")
            env = environment(**ALONE, PIP_CONFIG_FILE=os.devnull)
            subprocess.run((*pip, *options, *PACKAGES), env=env, check=True, capture_output=True)
        finally:
            process.terminate()
            process.communicate()
    assert {path.stem for path in (tmp_path / "to").glob("*.py")} == set(PACKAGES)
