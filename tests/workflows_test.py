""".github/workflows/, deploy/gitlab/, .gitattributes: small rights, pinned actions, and no step that is not a verb."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from project import CODE

WORKFLOWS = sorted((CODE / ".github" / "workflows").glob("*.yml"))
GITLAB = CODE / "deploy" / "gitlab" / ".gitlab-ci.yml"
STYLE = """\
extends: default
rules:
  document-start: disable
  line-length: {max: 120}
"""
VERBS = set(re.findall(r"^\.PHONY: (\S+)$", (CODE / "Makefile").read_text(), re.MULTILINE))
# What runs beside make: it moves files and decides nothing.
HELPERS = {"cp", "mkdir", "gh run download"}


WRITES = {"comment": {"pull-requests"}, "upgrade": {"contents", "pull-requests"}}


def tool(name: str) -> Path:
    return Path(sys.prefix) / "bin" / name


def read(path: Path) -> dict[str, Any]:
    told: dict[str, Any] = yaml.safe_load(path.read_text())
    return told


def steps(path: Path) -> list[dict[str, Any]]:
    return [step for job in read(path)["jobs"].values() for step in job["steps"]]


def commands(path: Path) -> list[str]:
    if path == GITLAB:
        return [line for job in read(path).values() if isinstance(job, dict) for line in job.get("script", ())]
    return [step["run"] for step in steps(path) if "run" in step]


def test_there_is_a_workflow_for_each_task() -> None:
    assert [path.stem for path in WORKFLOWS] == ["check", "comment", "review", "upgrade", "watch"]


def test_zizmor_finds_nothing() -> None:
    command = (tool("zizmor"), "--offline", "--no-online-audits", "--persona=pedantic", "--strict-collection")
    done = subprocess.run((*command, *WORKFLOWS), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "No findings to report" in done.stdout + done.stderr


def test_yamllint_finds_nothing() -> None:
    files = [path for path in (CODE / "deploy").rglob(".*") if path.suffix == ".yml"]
    assert files == [GITLAB]
    command = (tool("yamllint"), "--strict", "--config-data", STYLE)
    done = subprocess.run((*command, *WORKFLOWS, *files), capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("path", [*WORKFLOWS, GITLAB], ids=lambda path: path.name)
def test_each_step_is_a_verb_of_the_makefile(path: Path) -> None:
    found = commands(path)
    assert found
    for command in found:
        made = re.fullmatch(r"make (?:--silent )?([a-z-]+)( [A-Z]+=\S+)*( > \S+)?", command)
        is_helper = any(command.startswith(f"{helper} ") for helper in HELPERS)
        assert is_helper or (made and made[1] in VERBS), command
        assert not re.search(r"[;&|`\n]|\$\(|\$\{\{", command), command


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_actions_are_pinned_and_leave_no_token_behind(path: Path) -> None:
    for step in steps(path):
        if "uses" in step:
            assert re.fullmatch(r"actions/[a-z-]+@[0-9a-f]{40}", step["uses"])
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False
            assert "ref" not in step["with"]
            assert "repository" not in step["with"]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_has_no_right_that_its_job_does_not_name(path: Path) -> None:
    told = read(path)
    assert told["permissions"] == {}
    granted = {right for job in told["jobs"].values() for right, how in job["permissions"].items() if how == "write"}
    assert granted == WRITES.get(path.stem, set())


def test_what_a_stranger_can_start_has_neither_a_secret_nor_a_right_to_write() -> None:
    for path in WORKFLOWS:
        assert "pull_request_target" not in path.read_text()
        if "pull_request" in read(path)["on"]:
            assert path.stem in {"check", "review"}
            assert [job["permissions"] for job in read(path)["jobs"].values()] == [{"contents": "read"}]
            assert not re.search(r"secrets\.|github\.token|self-hosted|vars\.", path.read_text())


def test_what_comments_runs_no_code_of_the_pull_request() -> None:
    found = read(CODE / ".github" / "workflows" / "comment.yml")
    assert found["on"] == {"workflow_run": {"workflows": ["review"], "types": ["completed"]}}
    download = next(step for step in steps(WORKFLOWS[1]) if step.get("run", "").startswith("gh run download"))
    assert download["run"].endswith('--dir="$RUNNER_TEMP/review"')


def test_where_making_locks_may_run_code_there_is_no_right_to_write() -> None:
    jobs = read(CODE / ".github" / "workflows" / "upgrade.yml")["jobs"]
    assert jobs["upgrade"]["permissions"] == {"contents": "read"}
    assert "github.token" not in str(jobs["upgrade"])
    assert [step["run"] for step in jobs["propose"]["steps"] if "make" in step.get("run", "")] == [
        'make propose PROPOSAL="$RUNNER_TEMP/proposal"'
    ]


def test_locks_are_folded_by_the_forge_and_shown_by_git(tmp_path: Path) -> None:
    lock = "locks/requirements/3.12-win_amd64.txt"
    (tmp_path / lock).parent.mkdir(parents=True)
    (tmp_path / lock).write_text("alpha==1.0\n")
    (tmp_path / ".gitattributes").write_bytes((CODE / ".gitattributes").read_bytes())

    def git(*arguments: str) -> str:
        command = ("git", "-c", "user.name=T", "-c", "user.email=t@t", "-c", "core.autocrlf=true", *arguments)
        return subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True).stdout

    git("init", "--quiet")
    git("add", ".")
    git("commit", "--quiet", "--message=one")
    told = git("check-attr", "linguist-generated", "gitlab-generated", "diff", "--", lock, "packages.yaml")
    assert [line.partition(": ")[2] for line in told.splitlines()] == [
        *("linguist-generated: set", "gitlab-generated: set", "diff: unspecified"),
        *("linguist-generated: unspecified", "gitlab-generated: unspecified", "diff: unspecified"),
    ]
    (tmp_path / lock).write_text("alpha==1.1\n")
    assert "\n-alpha==1.0\n+alpha==1.1\n" in git("diff")
    (tmp_path / lock).unlink()
    git("checkout", "--", lock)  # as git on Windows would, which turns line ends of text
    assert (tmp_path / lock).read_bytes() == b"alpha==1.0\n"
