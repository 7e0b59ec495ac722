"""scripts/review_text.py, item.py, texts.quoted: a comment that nobody else can take over, and that always fits."""

from __future__ import annotations

import json

import pytest

from scripts.forge import MARKER, MAX_BODY
from scripts.item import Item, Topic, ordered, plain, red, yellow
from scripts.review_text import Review, markdown, summary, to_json
from scripts.texts import quoted

ITEM = Item("upgraded", ("alpha",), "**alpha** 1 → 2", (plain(Topic.AGE, "old"),), ("licence",), ("- 1 a", "+ 2 b"))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "`plain`"),
        ("a`b``c", "`a'b''c`"),
        ("two\nlines\r\n- and \u2028 more", "`two lines - and more`"),
        ("@everyone #1 <script>|[x](http://x)", "`@everyone #1 <script>|[x](http://x)`"),
        ("right\u202eto left\x1b[31m", "`right to left [31m`"),
        ("", "` `"),
        ("x" * 300, f"`{'x' * 200}…`"),
    ],
)
def test_a_text_of_others_is_code_of_one_line(text: str, shown: str) -> None:
    assert quoted(text) == shown


def test_the_worst_comes_first_then_the_topic_then_the_name() -> None:
    items = [
        Item("upgraded", ("b",), "b", (plain(Topic.AGE, ""),)),
        Item("upgraded", ("a",), "a", (plain(Topic.AGE, ""),)),
        Item("upgraded", ("y",), "y", (plain(Topic.CHANGE, ""), yellow(Topic.LICENCE, ""))),
        Item("upgraded", ("x",), "x", (red(Topic.DRIFT, ""), yellow(Topic.HASHES, ""))),
        Item("upgraded", ("w",), "w", (red(Topic.AGE, ""),)),
        Item("lost", (), "nothing known"),
    ]
    assert [one.title for one in ordered(items)] == ["w", "x", "y", "a", "b", "nothing known"]


@pytest.mark.parametrize(
    ("items", "line"),
    [
        ([], "Nothing changed"),
        ([ITEM, ITEM._replace(projects=("beta",))], "2 upgraded, nothing needs attention"),
        ([ITEM, ITEM], "1 upgraded, nothing needs attention"),
        (
            [ITEM, ITEM._replace(kind="added", facts=(yellow(Topic.AGE, ""),))],
            "1 to look at, 1 upgraded, 1 new",
        ),
        ([ITEM._replace(facts=(red(Topic.AGE, ""),))] * 2, "2 things need a decision, 1 upgraded"),
        ([Item("drift", (), "x", (red(Topic.DRIFT, ""),))], "1 thing needs a decision"),
    ],
)
def test_the_summary_is_one_line(items: list[Item], line: str) -> None:
    assert summary(items) == line


def many(number: int) -> Review:
    items = [ITEM._replace(title=f"**alpha-{each}**", hashes=(f"+ {'0' * 64} {each}",) * 2) for each in range(number)]
    return Review("0" * 40, "Today.", items, ["advisories: no connection"])


def test_a_review_that_fits_is_whole() -> None:
    text = markdown(many(100))
    assert text.count("**alpha-") == 100
    assert text.count("0" * 64) == 200
    assert "more" not in text


@pytest.mark.parametrize("most", [1_000, 5_000, 20_000])
def test_no_comment_is_longer_than_it_may_be_and_says_what_is_left_out(most: int) -> None:
    text = markdown(many(1_000), most)
    shown = text.count("**alpha-")
    assert len(text) <= most
    assert 0 < shown < 1_000
    assert f"\n… and {1_000 - shown} more\n" in text
    assert text.startswith(f"{MARKER}\n## 1 upgraded, nothing needs attention\n")
    assert text.endswith("### Not checked\n\n- advisories: no connection\n")


def test_hashes_are_the_first_to_go() -> None:
    whole = many(100)
    without = len(markdown(whole._replace(items=[one._replace(hashes=()) for one in whole.items])))
    text = markdown(whole, without + 1_000)
    assert len(text) <= without + 1_000
    assert text.count("**alpha-") == 100
    shown = text.count("0" * 64)
    assert f"… and {200 - shown} more\n```\n\n</details>\n" in text


def test_the_limit_is_that_of_a_comment() -> None:
    assert len(markdown(many(5_000))) <= MAX_BODY == 65_536


def test_json_has_everything() -> None:
    told = json.loads(to_json(many(5_000)))
    assert (told["base"], told["unchecked"], len(told["items"])) == ("0" * 40, ["advisories: no connection"], 5_000)
    assert told["summary"] == "1 upgraded, nothing needs attention"
    assert told["items"][0] == {
        "kind": "upgraded",
        "projects": ["alpha"],
        "title": "**alpha-0**",
        "severity": "plain",
        "facts": [{"severity": "plain", "topic": "age", "text": "old"}],
        "unchecked": ["licence"],
        "hashes": [f"+ {'0' * 64} 0"] * 2,
    }
