"""What a model wrote: markers in all their forms, everything that is no prose, and every split."""

from __future__ import annotations

import json
import re
import time
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qa.markers import Marked, fold, parse, said

KEYS = ("k7f2", "m3x9")
WALL = "The harbour wall reopened on Tuesday."
COST = "It cost 4.2 million crowns."
FORBIDDEN = re.compile(
    r"<[^\W\d_]|://|\]\(|!\[|j\s*a\s*v\s*a\s*s\s*c\s*r\s*i\s*p\s*t\s*:"
    r"|[\[【［〔]\s*(?:k7f2|m3x9)\s*[\]】］〕]",
    re.IGNORECASE,
)
VALUES = {
    "{key1}": "k7f2",
    "{key2}": "m3x9",
    "{KEY1}": "K7F2",
    "{key1_head}": "k7",
    "{key1_tail}": "f2",
    "{key1_wide}": "ｋ７ｆ２",
    "{key1_alike}": "k７f２".replace("k", "к"),
    "{sentinel}": "NO ANSWER",
    "{system}": "You answer from the sources. [key]",
    "{api_key}": "sk-test",
}


def whole(reply: str) -> list[tuple[str, tuple[str, ...]]]:
    return [(marked.text, marked.keys) for marked in parse(reply, KEYS, final=True)]


def so_far(reply: str) -> list[str]:
    return [marked.text for marked in parse(reply, KEYS, final=False)]


def filled(reply: str) -> str:
    for name, value in VALUES.items():
        reply = reply.replace(name, value)
    return reply


def hostile() -> list[object]:
    lines = (Path(__file__).parent / "hostile_replies.jsonl").read_text("utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    return [pytest.param(filled(row["reply"]), id=row["name"]) for row in rows]


def check(reply: str, step: int = 1) -> None:
    """The texts are clean, and what is known of the beginning of a reply never changes."""
    full = parse(reply, KEYS, final=True)
    for text, keys in ((marked.text, marked.keys) for marked in full):
        assert not FORBIDDEN.search(text)
        assert text == " ".join(text.split())
        assert any(sign.isalnum() for sign in text)
        assert not {"Cc", "Cf", "Co", "Cs"} & {unicodedata.category(sign) for sign in text}
        assert set(keys) <= set(KEYS)
        assert len(set(keys)) == len(keys)
    for end in range(0, len(reply) + 1, step):
        part = parse(reply[:end], KEYS, final=False)
        assert part == full[: len(part)], reply[:end]


ONE, BOTH, NONE = ("k7f2",), ("k7f2", "m3x9"), ()


@pytest.mark.parametrize(
    ("marker", "keys"),
    [
        ("[k7f2]", ONE),
        ("[k7f2, m3x9]", BOTH),
        ("[k7f2; m3x9]", BOTH),
        ("[k7f2 and m3x9]", BOTH),
        ("[k7f2][m3x9]", BOTH),
        ("[k7f2] [m3x9]", BOTH),
        ("[k7f2], [m3x9]", BOTH),
        ("[k7f2] and [m3x9]", BOTH),
        ("[m3x9][k7f2][m3x9]", ("m3x9", "k7f2")),
        ("[[k7f2]]", ONE),
        ("[[k7f2], [m3x9]]", BOTH),
        ("[[[[[[k7f2]]]]]]", ONE),
        ("【k7f2】", ONE),
        ("［ｋ７ｆ２］", ONE),
        ("[ｋ７ｆ２]", ONE),
        ("〔k7f2〕", ONE),
        ("(k7f2)", ONE),
        ("（k7f2）", ONE),
        ("(k7f2, m3x9)", BOTH),
        ("(source k7f2)", ONE),
        ("(sources: k7f2 and m3x9)", BOTH),
        ("(see [k7f2])", ONE),
        ("(Source: [k7f2])", ONE),
        ("([k7f2])", ONE),
        ("[Source k7f2]", ONE),
        ("[source: k7f2]", ONE),
        ("[source key: k7f2]", ONE),
        ("[key k7f2]", ONE),
        ("[^k7f2]", ONE),
        ("[K7F2]", ONE),
        ("[k7f2†L1]", ONE),
        ("【k7f2†source】", ONE),
        ("【k7f2†L1, m3x9†L2】", BOTH),
        ("`[k7f2]`", ONE),
        ("[`k7f2`]", ONE),
        ("**[k7f2]**", ONE),
        ("[**k7f2**]", ONE),
        ('["k7f2"]', ONE),
        ("“[k7f2]”", ONE),
        ("\\[k7f2\\]", ONE),
        ("<sup>[k7f2]</sup>", ONE),
        ("&#91;k7f2&#93;", ONE),
        ("&lbrack;k7f2&rbrack;", ONE),
        ("[\nk7f2\n]", ONE),
        ("[ \tk7f2 ]", ONE),
        ("[k7\u200bf2]", ONE),
        ("[\ufeffk7\u2060\xadf2\u202c]", ONE),
        ("[k7f2](http://evil.example/)", ONE),
        # keys that nobody gave
        ("[zzzz]", NONE),
        ("[k7f3]", NONE),
        ("[k7f2x]", NONE),
        ("[ab1]", NONE),
        ("[abcdefg8]", NONE),
        ("[zzzz, k7f2]", ONE),
        ("[k7f2, zzzz, 12]", ONE),
        ("[0]", NONE),
        ("[1]", NONE),
        ("[99]", NONE),
        ("[-1]", NONE),
        ("[^1]", NONE),
        ("[1, 2]", NONE),
        ("[1]-[3]", NONE),
        ("[1]–[3] [k7f2]", ONE),
        ("[1–3]", NONE),
        ("[" + "9" * 400 + "]", NONE),
        ("[source abcd9]", NONE),
        ("[source: the Tellin Gazette]", NONE),
        ("[Source: the Tellin Gazette, k7f2]", ONE),
        ("(source abcd9)", NONE),
        ("[]", NONE),
        ("[ ]", NONE),
    ],
)
def test_markers_in_all_their_forms(marker: str, keys: tuple[str, ...]) -> None:
    assert whole(f"{WALL} {marker}") == [(WALL, keys)]
    assert whole(f"{WALL}{marker} {COST} [m3x9]") == [(WALL, keys), (COST, ("m3x9",))]
    assert whole(f"{WALL[:-1]} {marker}. {COST} [m3x9]") == [(WALL, keys), (COST, ("m3x9",))]
    check(f"{WALL} {marker} {COST} [m3x9]")


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        # before and behind full stops and quotation marks
        ("“The wall is open [k7f2].”", [("“The wall is open.”", ONE)]),
        ("“The wall is open.” [k7f2]", [("“The wall is open.”", ONE)]),
        ("“The wall is open.[k7f2]” It is.", [("“The wall is open.”", ONE), ("It is.", NONE)]),
        ('She said: "It is open [k7f2]."', [('She said: "It is open."', ONE)]),
        (
            'She said: "It is open." [k7f2] It is.',
            [('She said: "It is open."', ONE), ("It is.", NONE)],
        ),
        ('It is open. "[k7f2]" It is.', [("It is open.", ONE), ("It is.", NONE)]),
        ("It is open. [k7f2].", [("It is open.", ONE)]),
        ("It is open [k7f2]. [m3x9] It is.", [("It is open.", BOTH), ("It is.", NONE)]),
        ("Is it open? [k7f2]. It is.", [("Is it open?", ONE), ("It is.", NONE)]),
        ("It is open. — [k7f2] It is.", [("It is open.", ONE), ("It is.", NONE)]),
        ("It is open [k7f2], said Dr. Voigt.", [("It is open, said Dr. Voigt.", ONE)]),
        ("The har[k7f2]bour is open.", [("The harbour is open.", ONE)]),
        # whose sentence a marker is
        ("[k7f2] It is open. [m3x9]", [("It is open.", BOTH)]),
        ("One is open.\n[k7f2] Two is.", [("One is open.", NONE), ("Two is.", ONE)]),
        ("One is open.\n[k7f2]\nTwo is.", [("One is open.", ONE), ("Two is.", NONE)]),
        ("One is open.\n\n[k7f2], [m3x9]\n\nTwo is.", [("One is open.", BOTH), ("Two is.", NONE)]),
        ("One is open.\n[k7f2]", [("One is open.", ONE)]),
        ("One is open.\n(see [k7f2])\nTwo is.", [("One is open.", ONE), ("Two is.", NONE)]),
        ("One is open\n[k7f2]. Two is.", [("One is open.", ONE), ("Two is.", NONE)]),
        ("One is open [k7f2]\nTwo is [m3x9]", [("One is open", ONE), ("Two is", ("m3x9",))]),
        ("- [k7f2] One.\n- [m3x9] Two.", [("One.", ONE), ("Two.", ("m3x9",))]),
        ("# The wall\n[k7f2]\nIt is.", [("The wall", ONE), ("It is.", NONE)]),
        ("[k7f2]\nIt is open.", [("It is open.", NONE)]),
        ("[k7f2] [m3x9]\n\n[k7f2]", []),
        ("", []),
        (" \n[\n", []),
        ("It is open. [k7f2", [("It is open.", ONE)]),
        ("It is open. [k7f2, m3", [("It is open. [k7f2, m3", NONE)]),
        # words in brackets stay
        ("[the mayor] said [sic] so.", [("[the mayor] said [sic] so.", NONE)]),
        ("It was open (in 2031) and (1) dry.", [("It was open (in 2031) and (1) dry.", NONE)]),
        ("Wow![k7f2] It is.", [("Wow!", ONE), ("It is.", NONE)]),
        ("Wow![k7f2][m3x9] It is.", [("Wow!", BOTH), ("It is.", NONE)]),
        ("[the mayor, k7f2] spoke.", [("[the mayor,] spoke.", ONE)]),
        # where sentences end
        ("Dr. Voigt paid. We ran out.", [("Dr. Voigt paid.", NONE), ("We ran out.", NONE)]),
        ("Er kam am 3. März an.", [("Er kam am 3. März an.", NONE)]),
        ("It cost 42. [k7f2] It is.", [("It cost 42.", ONE), ("It is.", NONE)]),
        ("At 5 p.m. [k7f2] on Tuesday.", [("At 5 p.m. on Tuesday.", ONE)]),
        ("At 5 p.m. [k7f2] It is.", [("At 5 p.m.", ONE), ("It is.", NONE)]),
        ("“Open. Dry,” she said. Yes.", [("“Open. Dry,” she said.", NONE), ("Yes.", NONE)]),
        ("„Sie ist offen.“ Dann kam er.", [("„Sie ist offen.“", NONE), ("Dann kam er.", NONE)]),
        (
            "She said: “One. [k7f2] Two. [m3x9]” Yes.",
            [("She said: “One.", ONE), ("Two.”", ("m3x9",)), ("Yes.", NONE)],
        ),
        ("開いた。[k7f2] 高い。【m3x9】", [("開いた。", ONE), ("高い。", ("m3x9",))]),
    ],
)
def test_whose_sentence_a_marker_is(
    reply: str, expected: list[tuple[str, tuple[str, ...]]]
) -> None:
    assert whole(reply) == expected
    check(reply)


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        # what cannot be seen
        ("It\u200b is\x00 \u202eopen\u202c.", ["It is open."]),
        ("It is \ue000\U000f0001open\U00100000.", ["It is open."]),
        ("It is \x1b[31mopen\x1b[0m.\x1b]0;pwned\x07", ["It is open."]),
        ("It is \x1b]8;;http://evil.example/\x1b\\open\x1b]8;;\x1b\\.", ["It is open."]),
        ("It is \x9b31mopen \ud83d.", ["It is open."]),
        # markup
        ("<think>It is. [k7f2]</think>It is open.", ["It is open."]),
        ("<think>It is open. It is", []),
        ("One is.\n</think>\nTwo is.", ["One is.", "Two is."]),
        ("It is <b class='x'>open</b>.", ["It is open."]),
        ("It is <script>alert(1)</script>open.", ["It is open."]),
        ("It is open.<STYLE>a{b:c}</STYLE >", ["It is open."]),
        ("It is open. <svg/onload=alert(1)><a></svg>", ["It is open."]),
        ("It is open. <iframe src=x srcdoc='<b>y</b>'></iframe>", ["It is open."]),
        ("It is <!-- not <b> -->open.", ["It is open."]),
        ("It is open. <!-- not", ["It is open."]),
        ("It is open. <img src='http://evil.example/?q=", ["It is open."]),
        ("It is <scr<b>ipt>alert(1)</script>", ["It is script>alert(1)"]),
        ("It is <<b>b open, 3 < 4 and 3<4 <b", ["It is b open, 3 < 4 and 3<4 b"]),
        ("It is open.<|im_end|>", ["It is open."]),
        ("<p>One is</p><p>Two is</p>", ["One is", "Two is"]),
        ("It is &lt;script&gt;alert(1)&lt;/script&gt; open &amp;amp;lt;b&gt;.", ["It is open."]),
        ("It is &#60;b&#x3e;open&&#97;mp;lt;b>.", ["It is open."]),
        ("Smith &amp; Co is AT&T.", ["Smith & Co is AT&T."]),
        ("It is open&" + "amp;" * 20 + "lt;b>.", ["It is open>."]),
        ("It is &" + "#" + "9" * 5000 + "; open.", ["It is open."]),
        ("It is &*lt;b&*gt; open.", ["It is & lt;b& gt; open."]),
        # links, images, addresses
        ('It is [in the report](http://evil.example/a_(b)?q=s "t").', ["It is in the report."]),
        ("[More](javascript:alert(document.cookie)) is open.", ["More is open."]),
        ("[More](JaVa\tScRiPt&colon;alert(1)) is open.", ["More is open."]),
        ("[It is open.][1]\n\n[1]: http://evil.example/", ["It is open."]),
        ("[It is][report] open.\n[report]: /evil 'title'", ["It is open."]),
        ("It is open.[^1]\n\n[^1]: Tellin Gazette, 4 March 2031.", ["It is open."]),
        ("It is open.\n[k7f2]: http://evil.example/", ["It is open."]),
        ("It is ![a chart](http://evil.example/p.png?q=s)open.", ["It is open."]),
        ("It is ![a [b] c][img]open.", ["It is open."]),
        ("[![x](http://evil.example/p)](http://evil.example/) It is.", ["It is."]),
        ("It is <http://evil.example/a> open.", ["It is open."]),
        ("See https://evil.example/a?b=c#d. It is.", ["See.", "It is."]),
        ("See www.evil.example or evil.example/x?y=z now.", ["See or now."]),
        ("See (ftp://evil.example) or //evil.example/x now.", ["See or now."]),
        ("See mailto:a@b.example, data:text/html;x and file:///etc now.", ["See, and now."]),
        ("See hxxps://evil.example and javascript:alert(1) now.", ["See and (1) now."]),
        (
            "See java script : alert, ht**tp://**evil now.",
            ["See java script alert, now."],
        ),
        ("It is 5 km/h and/or 12:30, e.g. 3/4.", ["It is 5 km/h and/or 12:30, e.g. 3/4."]),
        # Markdown
        ("# One #\nTwo is\nopen.", ["One", "Two is open."]),
        ("Setext\n======\nIt is.\n\n---\n\nYes.", ["Setext", "It is.", "Yes."]),
        ("- One\n* Two\n  is\n1. Three\n  - [x] Four", ["One", "Two is", "Three", "Four"]),
        ("> One is\n> open.\n>\n> > Two.", ["One is open.", "Two."]),
        ("| A | B |\n|---|:-:|\n| One. Two | 3 |\nIt is.", ["A B", "One. Two 3", "It is."]),
        ("It **is** *very* __much__ _more_ `open` ~~shut~~.", ["It is very much more open shut."]),
        ("It isn't 3 * 4, 3*4 or 3 × 4.", ["It isn't 3 * 4, 3*4 or 3 × 4."]),
        ("A snake_case is ~5 m.", ["A snake_case is ~5 m."]),
        ("```python\nIt is\n```\nopen.", ["It is", "open."]),
        ("~~~\nIt is.", ["It is."]),
        ("It  is\u00a0\t open \\*now\\*.", ["It is open now."]),
        ('{"answer": "It is."}', ['{"answer": "It is."}']),
    ],
)
def test_only_plain_prose_is_left(reply: str, expected: list[str]) -> None:
    assert [text for text, _ in whole(reply)] == expected
    check(reply)


def test_a_sentence_is_out_when_the_next_one_has_begun() -> None:
    reply = f"{WALL} [k7f2] {COST} [m3x9]"
    assert so_far(WALL) == []
    assert so_far(f"{WALL} [k7") == []
    assert so_far(f"{WALL} [k7f2] ") == []
    assert so_far(f"{WALL} [k7f2] It ") == [WALL]
    assert so_far(reply) == [WALL]
    assert so_far(f"{reply}\n\nThe ") == [WALL, COST]


@pytest.mark.parametrize(
    "end",
    [
        *("[", "[m3", "【m3x9", "[It is", "[It is](http", "![It is](", "(source m3", "```", "``"),
        *("<b", "<think>It is", "<!-- It is", "<script>It is", "&l", "www.", "| ", "\x1b[3", "\\"),
    ],
)
def test_what_is_half_written_is_held_back(end: str) -> None:
    assert so_far(f"{WALL} [k7f2]\n{end}") == []
    assert so_far(f"{WALL} [k7f2] {end}") == []


def test_keys_may_come_in_any_collection_and_are_given_back_as_they_are() -> None:
    assert parse("It is. [ab1c]", {"AB1C"}, final=True) == [Marked("It is.", ("AB1C",))]
    assert parse("It is. [wall]", frozenset({"wall"}), final=True)[0].keys == ("wall",)
    assert parse("It is. [k7f2]", (), final=True) == [Marked("It is.", ())]


@pytest.mark.parametrize("reply", hostile())
def test_hostile_replies_under_every_split(reply: str) -> None:
    check(reply, step=1 if len(reply) < 2_000 else len(reply) // 40)


PIECES = (
    "[ ] ( ) 【 】 [k7f2] [m3x9 k7f2 [zzzz] [1] [the mayor] (see (k7f2) . ! ? … 。 , ; : - — “ ” „ "
    '" | # * ** _ ` ``` ~~~ > < <b> </b> <br> <think> </think> <script> </script> <!-- --> & &lt; '
    "&amp; lt; &# 91; http://x.y/z www.x.y :// javascript: ![ ]( [a](b) \\ † and 港 The mayor It "
    "is open 3 é"
).split()
PIECES += ["\n", "\n\n", "\n- ", "\n1. ", "\n# ", "\n| ", "\n[1]: ", "\r", "\t", "\u200b", "\x1b["]
REPLIES = st.lists(st.sampled_from([*PIECES, " ", " ", " ", ". ", " The "]), max_size=18)


@settings(deadline=None, max_examples=250)
@given(REPLIES)
def test_any_reply_is_clean_and_the_same_under_every_split(pieces: list[str]) -> None:
    check("".join(pieces))


@settings(deadline=None, max_examples=100)
@given(st.text(max_size=40))
def test_any_text_is_clean_and_the_same_under_every_split(text: str) -> None:
    check(text)


@pytest.mark.parametrize(
    "unit",
    ["[", "<", "`", "*", "(", "&amp;", "![", "](", "[1]", "<a ", "a.", "? ! ", "“A. ", "\n| "],
)
def test_it_is_linear(unit: str) -> None:
    """200,000 characters take well under a second; the bound allows for a busy machine."""
    reply = f"{WALL} [k7f2]\n\n" + unit * (200_000 // len(unit))
    started = time.perf_counter()
    found = parse(reply, KEYS, final=True)
    assert time.perf_counter() - started < 10
    assert found[0] == Marked(WALL, ONE)
    if unit in "[<`*(":
        assert found == [Marked(WALL, ONE)]


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [
        ("NO ANSWER", True),
        ("“No answer.”", True),
        ("**no\u200b answer**!", True),
        ("ＮＯ ＡＮＳＷＥＲ", True),
        ("The sign reads NO ANSWER.", False),
        ("No answers", False),
        ("", False),
    ],
)
def test_the_sentinel_alone_is_said(sentence: str, expected: bool) -> None:
    assert said(sentence, "NO ANSWER") is expected


def test_fold_leaves_words() -> None:
    assert fold("  “It isn’t\nSTRASSE_straße”… ") == "it isn t strasse strasse"
    assert not said("?!", "...")


def test_a_footnote_of_any_name_is_a_marker() -> None:
    reply = "The wall reopened [^ed] in May. [k7f2]\n[^ed]: https://evil.example/desk"
    assert parse(reply, {"k7f2"}, final=True) == [Marked("The wall reopened in May.", ("k7f2",))]
