"""scripts/config.py: what packages.yaml may say, and the sentence for each thing that it may not."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.config import Config, load


def read(path: Path, packages_yaml: str, **files: str) -> Config:
    (path / "packages.yaml").write_text(packages_yaml)
    for name, text in ({"requirements_in": "foo==1\n"} | files).items():
        (path / name.replace("_", ".")).write_text(text)
    return load(path)


def problems(path: Path, packages_yaml: str, **files: str) -> list[str]:
    with pytest.raises(SystemExit) as stop:
        read(path, packages_yaml, **files)
    return str(stop.value).splitlines()


def pins(config: Config) -> dict[str, list[str]]:
    return {one.name: [str(line.requirement) for line in one.lines] for one in config.sets}


@pytest.mark.parametrize("empty", ["", "# nothing\n", "---\n", "\ufeff"])
def test_an_empty_file_means_every_default(tmp_path: Path, empty: str) -> None:
    config = read(tmp_path, empty)
    assert config._replace(sets=()) == Config(False, None, None, (), ())
    assert pins(config) == {"requirements": ["foo==1"]}


def test_each_key_is_read(tmp_path: Path) -> None:
    config = read(
        tmp_path,
        'resolve_deps: true\npython_versions: ["3.10", 3.14t]\nplatforms: [win_arm64, musllinux_1_2_aarch64]\n'
        "allow_sdists: [zulu, alpha]\nrequirements: [requirements.in, dev.txt]\n"
        "denied: {left-pad: ' abandoned: see #12 ', evil: 'no'}\nrequest_url: https://tracker.example/new?for=us\n",
        dev_txt="bar\n",
    )
    assert config._replace(sets=()) == Config(
        resolve_deps=True,
        python_versions=("3.10", "3.14t"),
        platforms=("win_arm64", "musllinux_1_2_aarch64"),
        allow_sdists=("alpha", "zulu"),
        sets=(),
        denied={"left-pad": "abandoned: see #12", "evil": "no"},
        request_url="https://tracker.example/new?for=us",
    )
    assert pins(config) == {"requirements": ["foo==1"], "dev": ["bar"]}


def test_packages_stand_in_place_of_a_file(tmp_path: Path) -> None:
    assert pins(read(tmp_path, "packages:\n  - foo==2  # why\n  - bar[x]==1; os_name == 'nt'\n")) == {
        "packages": ["foo==2", 'bar[x]==1; os_name == "nt"']
    }


def test_an_empty_list_of_sdists_is_the_default(tmp_path: Path) -> None:
    assert read(tmp_path, "allow_sdists: []\n").allow_sdists == ()


@pytest.mark.parametrize(
    ("packages_yaml", "problem"),
    [
        ("resolve_deps: yes please\n", "resolve_deps: 'yes please' is neither true nor false; write one of the two"),
        ("resolve_deps: 1\n", "resolve_deps: 1 is neither true nor false; write one of the two"),
        (
            "python_versions: [3.10]\n",
            'python_versions: 3.1 is a number, and YAML reads a bare 3.10 as 3.1; quote it, as in "3.10"',
        ),
        (
            "python_versions: [3.12]\n",
            'python_versions: 3.12 is a number, and YAML reads a bare 3.10 as 3.1; quote it, as in "3.12"',
        ),
        ("python_versions: [true]\n", "python_versions: True is not a string; write a plain string"),
        (
            "python_versions: '3.12'\n",
            "python_versions: '3.12' is not a list with at least one item; write one item a line after '- '",
        ),
        (
            "python_versions:\n",
            "python_versions: None is not a list with at least one item; write one item a line after '- '",
        ),
        (
            "platforms: []\n",
            "platforms: [] is not a list with at least one item; write one item a line after '- '",
        ),
        ("platforms: [win_amd64, win_amd64]\n", 'platforms: "win_amd64" stands 2 times; keep one'),
        (
            'python_versions: ["3.7"]\n',
            'python_versions: "3.7" is not a CPython from 3.8 to 3.15; write it as "3.12", or "3.14t" for a '
            "free-threaded build",
        ),
        (
            "platforms: [linux_x86_64]\n",
            'platforms: "linux_x86_64" names no C library; write "manylinux_2_28_x86_64" for glibc, or '
            '"musllinux_1_2_x86_64" for musl',
        ),
        ("denied: [evil]\n", "denied: ['evil'] is not a mapping; write one line a project, as in left-pad: abandoned"),
        ("denied: {Evil: bad}\n", 'denied: "Evil" is not a normalised project name; write "evil"'),
        ("denied: {evil: }\n", "denied: evil has no reason; write one line of text after its name"),
        ("denied: {evil: 3}\n", "denied: evil has no reason; write one line of text after its name"),
        ('denied: {evil: "a\\nb"}\n', "denied: evil has no reason; write one line of text after its name"),
        ("denied: {evil: a, evil: b}\n", "denied: evil: stands 2 times; keep one"),
        ("request_url: ask me\n", "request_url: 'ask me' is no link; write a URL with https:, http: or mailto:"),
        (
            "request_url: javascript:alert(1)\n",
            "request_url: 'javascript:alert(1)' is no link; write a URL with https:, http: or mailto:",
        ),
        ("request_url:\n", "request_url: None is no link; write a URL with https:, http: or mailto:"),
        ("platfroms: [win_amd64]\n", "platfroms: no such key; the nearest is platforms"),
        ("python: [win_amd64]\n", "python: no such key; the nearest is python_versions"),
        ("1: x\n", "1: no such key; the nearest is resolve_deps"),
        ("resolve_deps: false\nresolve_deps: false\n", "resolve_deps: stands 2 times; keep one"),
        (
            "allow_sdists: [Foo_Bar]\n",
            'allow_sdists: "Foo_Bar" is not a normalised project name; write "foo-bar"',
        ),
        (
            "requirements: requirements.in\n",
            "requirements: 'requirements.in' is not a list with at least one item; write one item a line after '- '",
        ),
        (
            "requirements: [a/requirements.in, requirements.in]\n",
            'requirements: 2 files give a set named "requirements"; rename one of them',
        ),
        (
            "requirements: [' .in']\n",
            'requirements: " .in" gives the set no plain name; name the file with letters, digits, ".", "_" and "-"',
        ),
        (
            "packages: [foo==1]\nrequirements: [requirements.in]\n",
            "packages: stands beside requirements; keep one of the two",
        ),
        (
            "packages: []\n",
            "packages: [] is not a list with at least one item; write one item a line after '- '",
        ),
        (
            "packages: [foo]\n",
            "packages: foo names no single version; write foo==<version>, or set resolve_deps: true in packages.yaml",
        ),
        (
            "packages: ['foo==1 # why']\n",
            "packages: 'foo==1 # why' holds a comment, where YAML sees none; write it outside the quotes",
        ),
        (
            "packages: [-r other.in]\n",
            "packages: -r is not allowed, it would be a side door past the review; remove it",
        ),
        (
            'packages: ["foo==1\\n--index-url=evil"]\n',
            "packages: 'foo==1\\n--index-url=evil' has several lines; write each requirement as an item of its own",
        ),
    ],
)
def test_a_problem_is_one_sentence(tmp_path: Path, packages_yaml: str, problem: str) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "requirements.in").write_text("foo==1\n")
    assert problems(tmp_path, packages_yaml) == [f"packages.yaml: {problem}"]


@pytest.mark.parametrize("path", ["/etc/foo.in", "../foo.in", "a/../../foo.in", "https://host/foo.in"])
def test_a_set_outside_the_checkout_is_refused(tmp_path: Path, path: str) -> None:
    assert problems(tmp_path, f"requirements: ['{path}']\n") == [
        f'packages.yaml: requirements: "{path}" is not inside the checkout; name a file by its path from the top of '
        "the checkout"
    ]


def test_every_problem_of_every_file_is_told_at_once(tmp_path: Path) -> None:
    assert problems(
        tmp_path,
        "resolve_deps: 1\nfoo: 1\nplatforms: [a, b]\nplatforms: [beos, win_amd64]\nrequirements: [a.in, b.in, c.in]\n",
        a_in="foo==1\nfoo @ https://host/foo.whl\n",
        b_in="\nfoo>=1\n--pre\n",
    ) == [
        "packages.yaml: platforms: stands 2 times; keep one",
        "packages.yaml: foo: no such key; the nearest is platforms",
        "packages.yaml: resolve_deps: 1 is neither true nor false; write one of the two",
        'packages.yaml: platforms: "beos" is not a supported platform; write a name such as "manylinux_2_28_x86_64"',
        "a.in:2: 'foo @ https://host/foo.whl' is a URL or a path, a side door past the review; name a project of the "
        "index instead",
        "b.in:3: --pre is not allowed, it would be a side door past the review; remove it",
        "c.in: No such file or directory; create it",
    ]


def test_who_misspells_resolve_deps_is_not_told_to_pin(tmp_path: Path) -> None:
    assert problems(tmp_path, "resolve_dep: true\n", requirements_in="foo\n") == [
        "packages.yaml: resolve_dep: no such key; the nearest is resolve_deps"
    ]


@pytest.mark.parametrize(
    ("packages_yaml", "problem"),
    [
        ("- foo\n", "packages.yaml: holds no mapping of keys to values; write lines such as resolve_deps: true"),
        ("foo\n", "packages.yaml: holds no mapping of keys to values; write lines such as resolve_deps: true"),
        (
            "a: 1\nb: [\n",
            "packages.yaml:3: not readable as YAML (expected the node content, but found '<stream end>'); correct it",
        ),
        (
            "a: !!python/object/apply:os.system [x]\n",
            "packages.yaml:1: not readable as YAML (could not determine a constructor for the tag "
            "'tag:yaml.org,2002:python/object/apply:os.system'); correct it",
        ),
        (
            "[" * 5000,
            "packages.yaml: not readable as YAML (it is nested too deep); correct it",
        ),
        (
            "a: 2026-13-45\n",
            "packages.yaml: not readable as YAML (month must be in 1..12); correct it",
        ),
        (
            "a: 1\n---\nb: 2\n",
            "packages.yaml:2: not readable as YAML (but found another document); correct it",
        ),
    ],
)
def test_what_is_no_mapping_is_refused(tmp_path: Path, packages_yaml: str, problem: str) -> None:
    assert problems(tmp_path, packages_yaml) == [problem]


def test_a_bad_list_of_files_is_not_taken_for_none(tmp_path: Path) -> None:
    (tmp_path / "packages.yaml").write_text("requirements: [1]\n")
    with pytest.raises(SystemExit) as stop:
        load(tmp_path)
    assert str(stop.value) == (
        'packages.yaml: requirements: 1 is a number, and YAML reads a bare 3.10 as 3.1; quote it, as in "1"'
    )


def test_no_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as stop:
        load(tmp_path)
    assert str(stop.value) == "packages.yaml: no such file; create it, an empty one means every default"


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    (tmp_path / "packages.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SystemExit) as stop:
        load(tmp_path)
    assert str(stop.value) == (
        "packages.yaml: not readable as YAML ('utf-8' codec can't decode byte 0xff in position 0: invalid start byte); "
        "correct it"
    )
