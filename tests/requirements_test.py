"""scripts/requirements.py: what a requirement file may hold, and each side door that is shut."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.requirements import RequirementSet, pin_problems, read_set

REVIEW = "a side door past the review"


def read(path: Path, text: str | bytes, **files: str) -> tuple[RequirementSet, list[str]]:
    (path / "requirements.in").write_bytes(text if isinstance(text, bytes) else text.encode())
    for name, content in files.items():
        (path / name.replace("_", ".")).write_text(content)
    problems: list[str] = []
    return read_set(path, "requirements.in", problems), problems


def refused(path: Path, text: str, **files: str) -> list[str]:
    return read(path, text, **files)[1]


def listed(found: RequirementSet) -> list[str]:
    return [f"{line.where} {line.requirement} # {line.comment}" for line in found.lines]


def test_a_requirement_has_extras_specifier_marker_and_comment(tmp_path: Path) -> None:
    found, problems = read(
        tmp_path,
        "# head\n\nFoo.Bar [x,y] >=1,<2 ; python_version < '3.12' and os_name == \"nt\"  # why\nbaz  #\nqux==1#2\n",
    )
    assert listed(found) == [
        'requirements.in:3 Foo.Bar[x,y]<2,>=1; python_version < "3.12" and os_name == "nt" # why',
        "requirements.in:4 baz # ",
    ]
    assert [line.name for line in found.lines] == ["foo-bar", "baz"]
    assert [problem.partition(" (")[0] for problem in problems] == [
        "requirements.in:5: 'qux==1#2' is not a requirement"
    ]


@pytest.mark.parametrize(
    "text",
    [
        b"foo==1\r\nbar==2 \\\r\n  ; os_name == 'nt' # a\r\n",
        b"\xef\xbb\xbffoo==1\nbar==2 \\\n  ; os_name == 'nt' # a",
        b"foo==1\nbar==\\\n2; os_name == 'nt' \\\n# a\n",
    ],
    ids=["crlf", "bom", "continued"],
)
def test_line_ends_and_continuations_are_pips(tmp_path: Path, text: bytes) -> None:
    found, problems = read(tmp_path, text)
    assert problems == []
    assert listed(found) == ["requirements.in:1 foo==1 # ", 'requirements.in:2 bar==2; os_name == "nt" # a']


def test_a_comment_may_be_in_any_script(tmp_path: Path) -> None:
    assert listed(read(tmp_path, "foo==1  # für 日本\n")[0]) == ["requirements.in:1 foo==1 # für 日本"]


@pytest.mark.parametrize(
    "option",
    [
        *("-i https://host/simple", "-ihttps://host/simple", "-i=https://host/simple", "--index-url https://host/s"),
        *("--index-url=https://host/simple", "--pypi-url=https://host/simple", "--index https://host/simple"),
        *("--index=https://host/simple", "--extra-index-url https://host/simple", "--extra https://host/simple"),
        *("--extra-index-url=https://host/simple", "-f links", "-flinks", "--find-links links", "--find-links=links"),
        *("--find=links", "--trusted-host host", "--trusted-host=host", "--trusted=host", "--no-index", "--no-i"),
        *("--pre", "--prefer-binary", "--no-binary :all:", "--no-binary=foo", "--only-binary=:none:", "--only=foo"),
        *("--require-hashes", "--use-feature=fast-deps", "--process-dependency-links", "--all-releases=:all:"),
        *("-e .", "-e.", "-e git+https://host/foo", "--editable .", "--editable=.", "--edit=."),
        *("--req other.in", "--requirements other.in", "--constr other.in", "-x"),
    ],
)
def test_an_option_is_refused(tmp_path: Path, option: str) -> None:
    name = option.partition(" ")[0].partition("=")[0]
    assert refused(tmp_path, f"foo==1\n  {option}\n", other_in="bar==1\n") == [
        f"requirements.in:2: {name} is not allowed, it would be a side door past the review; remove it"
    ]


@pytest.mark.parametrize(
    "text",
    [
        *("foo @ https://host/foo.whl", "foo[x]@https://host/foo-1.tar.gz ; os_name == 'nt'", "https://host/foo.whl"),
        *("git+https://host/foo", "git+ssh://git@host/foo.git#egg=foo", "foo @ git+file:///foo", "file:///foo.whl"),
        *(".", "./foo", "../foo", "/foo", "~/foo", "./foo-1-py3-none-any.whl", "foo-1-py3-none-any.whl", "foo.tar.gz"),
        *("foo.zip", "C:\\foo", "\\\\host\\foo", ".[x]", "foo==1 --find-links=https://host/"),
    ],
)
def test_a_url_or_path_is_refused(tmp_path: Path, text: str) -> None:
    assert refused(tmp_path, f"{text}\n") == [
        f"requirements.in:1: {text!r} is a URL or a path, {REVIEW}; name a project of the index instead"
    ]


def test_a_reference_without_slashes_is_refused(tmp_path: Path) -> None:
    assert refused(tmp_path, "foo @ file:foo\n") == [
        f"requirements.in:1: 'foo @ file:foo' is a direct reference, {REVIEW}; name a version instead"
    ]


@pytest.mark.parametrize(
    "text",
    [
        *("foo==1 --hash=sha256:00", "foo==1 --config-settings=a=b", "foo==1 --global-option=x", "foo==1 -r other.in"),
        *("foo/bar", "foo==", "foo=1", "foo bar", "foo; nothing == '1'", "[x]", "föö", "foo==1 \\ bar"),
    ],
)
def test_what_is_no_requirement_is_refused(tmp_path: Path, text: str) -> None:
    (problem,) = refused(tmp_path, f"\n{text}\n")
    start, _, rest = problem.partition(" is not a requirement (")
    assert start == f"requirements.in:2: {text!r}"
    assert rest.partition("); ")[2] == "write it as name, name==1.2 or name[extra]>=1; marker"


@pytest.mark.parametrize("text", ["foo==${VERSION}", "${EVIL}", "--index-url=${EVIL}"])
def test_the_environment_is_not_read(tmp_path: Path, text: str) -> None:
    assert refused(tmp_path, f"{text}\n") == [
        f"requirements.in:1: {text!r} reads the environment, which differs from machine to machine; "
        "write the value itself"
    ]


def test_an_option_does_not_hide_behind_a_continuation(tmp_path: Path) -> None:
    assert refused(tmp_path, "\\\n-\\\n-index-url=https://host/\nfoo \\\n--pre\n") == [
        "requirements.in:1: --index-url is not allowed, it would be a side door past the review; remove it",
        "requirements.in:4: 'foo --pre' is not a requirement (Expected semicolon (after name with no version "
        "specifier) or end); write it as name, name==1.2 or name[extra]>=1; marker",
    ]


def test_an_option_does_not_hide_behind_another_kind_of_line_end(tmp_path: Path) -> None:
    assert refused(tmp_path, "foo==1 # a\u2028--pre\n# b\x0c--no-index\n") == [
        "requirements.in:2: --pre is not allowed, it would be a side door past the review; remove it",
        "requirements.in:4: --no-index is not allowed, it would be a side door past the review; remove it",
    ]


@pytest.mark.parametrize(
    "include", ["-r other.in", "-rother.in", "--requirement other.in", "--requirement=other.in", "-r 'other.in'"]
)
def test_another_file_is_included(tmp_path: Path, include: str) -> None:
    found, problems = read(tmp_path, f"foo\n{include}  # theirs\n", other_in="bar\n-c limits.in\n", limits_in="baz<2\n")
    assert problems == []
    assert listed(found) == ["requirements.in:1 foo # ", "other.in:1 bar # "]
    assert found.name == "requirements"
    assert found.constraint_paths == {"limits.in"}


@pytest.mark.parametrize("include", ["-c other.in", "-cother.in", "--constraint other.in", "--constraint=other.in"])
def test_a_constraint_is_no_requirement(tmp_path: Path, include: str) -> None:
    found, problems = read(tmp_path, f"foo\n{include}\n", other_in="bar\n")
    assert problems == []
    assert listed(found) == ["requirements.in:1 foo # "]
    assert [[str(line.requirement) for line in file.lines] for file in found.files] == [["foo"], ["bar"]]


def test_what_is_both_required_and_a_constraint_is_required(tmp_path: Path) -> None:
    found, _ = read(tmp_path, "-c other.in\n-r other.in\n", other_in="bar\n")
    assert listed(found) == ["other.in:1 bar # "]


def test_a_path_is_relative_to_the_file_that_includes_it(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "one.in").write_text("-r two.in\n-r ../three.in\n")
    (tmp_path / "a" / "two.in").write_text("two\n")
    assert listed(read(tmp_path, "-r a/one.in\n", three_in="three\n")[0]) == [
        "a/two.in:1 two # ",
        "three.in:1 three # ",
    ]


def test_files_that_include_each_other_are_read_once(tmp_path: Path) -> None:
    found, problems = read(
        tmp_path, "foo\n-r other.in\n-r other.in\n", other_in="bar\n-r requirements.in\n-r other.in\n"
    )
    assert (listed(found), problems) == (["requirements.in:1 foo # ", "other.in:1 bar # "], [])


def test_a_problem_of_a_file_that_is_included_twice_is_told_once(tmp_path: Path) -> None:
    assert refused(tmp_path, "foo\n-r other.in\n-r other.in\n-c other.in\n", other_in="--pre\n") == [
        "other.in:1: --pre is not allowed, it would be a side door past the review; remove it"
    ]


def test_an_include_stays_in_the_checkout(tmp_path: Path) -> None:
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    outside = tmp_path / "outside.in"
    outside.write_text("evil\n")
    (checkout / "link.in").symlink_to(outside)
    (checkout / "folder").symlink_to(tmp_path)
    (checkout / "circle.in").symlink_to("circle.in")
    (checkout / "--pre").write_text("evil\n")
    includes = (
        *("../outside.in", str(outside), "link.in", "folder/outside.in", "https://host/r.in", "file:///r.in"),
        *("${HOME}/r.in", "--pre", "circle.in", "missing.in", "folder", "''"),
    )
    text = "foo\n" + "".join(f"-r {include}\n" for include in includes)
    outside_of = "is outside the checkout; copy it into the checkout"
    no_file = "is not a file of the checkout; copy it into the checkout"
    assert refused(checkout, text) == [
        f"requirements.in:2: -r ../outside.in {outside_of}",
        f"requirements.in:3: -r {outside} {outside_of}",
        f"requirements.in:4: -r link.in {outside_of}",
        f"requirements.in:5: -r folder/outside.in {outside_of}",
        f"requirements.in:6: -r https://host/r.in {no_file}",
        f"requirements.in:7: -r file:///r.in {no_file}",
        f"requirements.in:8: -r ${{HOME}}/r.in {no_file}",
        f"requirements.in:9: -r --pre {no_file}",
        "requirements.in:10: -r circle.in: no such file; correct the path",
        "requirements.in:11: -r missing.in: no such file; correct the path",
        f"requirements.in:12: -r folder {outside_of}",
        "requirements.in:13: -r : no such file; correct the path",
    ]


def test_a_set_that_is_a_link_stays_in_the_checkout(tmp_path: Path) -> None:
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    (tmp_path / "outside.in").write_text("evil\n")
    (checkout / "set.in").symlink_to("../outside.in")
    problems: list[str] = []
    assert read_set(checkout, "set.in", problems).lines == ()
    assert problems == ["set.in: a link out of the checkout; copy the file into the checkout"]


NO_PLAIN_PATH = 'not a plain path; use letters, digits, space and "._+-/", and no "-" at the beginning'


@pytest.mark.parametrize(
    "name", ["--find-links=x/a.in", "--pip-args=--pre.in", "x\nevil==1.0 --hash=sha256:0\n#.in", "a'b.in", "a=b.in"]
)
def test_a_path_that_could_be_an_option_or_a_line_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("foo\n")
    problems: list[str] = []
    assert read_set(tmp_path, name, problems).lines == ()
    assert problems == [f"{name if name.isprintable() else repr(name)}: {NO_PLAIN_PATH}"]


def test_an_include_cannot_become_an_option(tmp_path: Path) -> None:
    (tmp_path / "--pip-args=--pre.in").write_text("foo\n")
    assert refused(tmp_path, "bar\n-r ./--pip-args=--pre.in\n") == [f"--pip-args=--pre.in: {NO_PLAIN_PATH}"]


@pytest.mark.parametrize("name", ["setup.py", "setup.cfg", "pyproject.toml"])
def test_a_file_that_pip_compile_would_build_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("foo\n")
    assert refused(tmp_path, f"bar\n-r {name}\n") == [
        f"{name}: pip-compile takes that name for a project, and would build it; rename the file"
    ]


@pytest.mark.parametrize("text", ["", "# nothing\n\n", "-c other.in\n"])
def test_no_requirements_are_told(tmp_path: Path, text: str) -> None:
    assert refused(tmp_path, text, other_in="foo\n") == [
        "requirements.in: no requirements; write the first one, such as requests==2.32.5"
    ]


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    assert read(tmp_path, b"foo\n\xff\n")[1] == ["requirements.in: not UTF-8 text; save it as UTF-8"]


def test_a_pin_is_one_version(tmp_path: Path) -> None:
    text = "a==1.0\nb == 1!2.0rc1+local.1\nc[x]==1; os_name=='nt'\nd\ne>=1\nf==1.*\ng==1,!=2\nh===1\ni~=1.0\n-r j.in\n"
    found, _ = read(tmp_path, text, j_in="j<2\n")
    assert [line.pin for line in found.lines] == ["1.0", "1!2.0rc1+local.1", "1", *[None] * 7]
    remedy = "names no single version; write {}==<version>, or set resolve_deps: true in packages.yaml"
    assert pin_problems(found.lines) == [
        f"requirements.in:4: d {remedy.format('d')}",
        f"requirements.in:5: e>=1 {remedy.format('e')}",
        f"requirements.in:6: f==1.* {remedy.format('f')}",
        f"requirements.in:7: g!=2,==1 {remedy.format('g')}",
        f"requirements.in:8: h===1 {remedy.format('h')}",
        f"requirements.in:9: i~=1.0 {remedy.format('i')}",
        f"j.in:1: j<2 {remedy.format('j')}",
    ]
