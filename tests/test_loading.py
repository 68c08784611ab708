"""Loading: from files of every kind to articles, or to a reason that a user can act on."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from fpdf import FPDF
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qa.errors import InputError
from qa.loading import SUFFIXES, discover, load
from qa.loading.dates import parse_date
from qa.types import Article

AWKWARD = Path(__file__).parents[1] / "corpus" / "awkward"
LONG = "The harbour of Brinewick has a quay of pressed cork that floats on the tide. " * 5


def only_article(path: Path) -> Article:
    (loaded,) = load(path)
    assert loaded.failure is None, loaded.failure
    assert loaded.article is not None
    return loaded.article


def only_reason(path: Path) -> str:
    (loaded,) = load(path)
    assert loaded.article is None
    assert loaded.failure is not None
    assert loaded.failure.source == loaded.source == str(path)
    assert "\n" not in loaded.failure.reason
    return loaded.failure.reason


def outcomes(path: Path) -> dict[int, str]:
    """By line: the title of the article, or the reason why there is none."""
    found = {}
    for loaded in load(path):
        line = int(loaded.source.removeprefix(f"{path}:"))
        assert (loaded.article is None) != (loaded.failure is None)
        found[line] = loaded.article.title if loaded.article else f"! {loaded.failure.reason}"  # type: ignore[union-attr]
    return found


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


# --- which files ---------------------------------------------------------------------------------


def test_a_folder_gives_its_readable_files_sorted(tmp_path: Path) -> None:
    for name in ("b.md", "a.TXT", "sub/c.jsonl", ".hidden.md", ".git/d.md", "x.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        write(tmp_path / name, "text")
    (tmp_path / "__pycache__").mkdir()
    write(tmp_path / "__pycache__" / "e.txt", "text")
    (tmp_path / "sub" / "loop").symlink_to(tmp_path)
    found = [path.relative_to(tmp_path).as_posix() for path in discover(str(tmp_path))]
    assert found == ["a.TXT", "b.md", "sub/c.jsonl"]


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("nowhere.md", "no such file or folder"),
        ("", "no file or folder was named"),
        ("\0", "no such file"),
        ("x" * 5000, "no such file"),
        ("https://example.org/a.html", "web addresses cannot be added yet"),
        ("HTTP://example.org", "save the page as .html"),
    ],
)
def test_a_source_that_cannot_be_read_says_why(source: str, why: str) -> None:
    with pytest.raises(InputError, match=why):
        discover(source)


def test_unknown_kinds_and_empty_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot be read; convert it"):
        discover(str(write(tmp_path / "a.docx", "text")))
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no file in this folder can be read"):
        discover(str(tmp_path / "empty"))


def test_a_file_is_found_by_a_relative_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "a.md", "text")
    monkeypatch.chdir(tmp_path)
    assert discover("a.md") == [tmp_path / "a.md"]


# --- what is wrong with a file -------------------------------------------------------------------


@pytest.mark.parametrize("suffix", sorted(SUFFIXES))
def test_every_format_reports_what_cannot_be_opened(tmp_path: Path, suffix: str) -> None:
    (tmp_path / f"folder{suffix}").mkdir()
    (tmp_path / f"nowhere{suffix}").symlink_to(tmp_path / "missing")
    (tmp_path / f"loop{suffix}").symlink_to(tmp_path / f"loop{suffix}")
    os.mkfifo(tmp_path / f"pipe{suffix}")
    assert "is a folder" in only_reason(tmp_path / f"folder{suffix}")
    assert "link to a file that does not exist" in only_reason(tmp_path / f"nowhere{suffix}")
    assert "leads back to itself" in only_reason(tmp_path / f"loop{suffix}")
    assert "no longer there" in only_reason(tmp_path / f"vanished{suffix}")
    assert "not a file" in only_reason(tmp_path / f"pipe{suffix}")
    assert "empty" in only_reason(write(tmp_path / f"empty{suffix}", ""))
    white = only_reason(write(tmp_path / f"white{suffix}", " \n\t\n"))
    assert "white space" in white or "empty" in white


@pytest.mark.parametrize("suffix", sorted(SUFFIXES))
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.binary(max_size=400))
def test_no_bytes_make_loading_raise(tmp_path: Path, suffix: str, data: bytes) -> None:
    for loaded in load(write(tmp_path / f"any{suffix}", data)):
        assert (loaded.article is None) != (loaded.failure is None)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_permission_denied_is_a_reason(tmp_path: Path) -> None:
    path = write(tmp_path / "secret.txt", "text")
    path.chmod(0)
    assert "permission denied" in only_reason(path)
    closed = tmp_path / "closed"
    closed.mkdir(mode=0)
    assert closed in discover(str(tmp_path))
    assert "permission denied" in only_reason(closed)


def test_a_huge_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "huge.txt"
    with path.open("wb") as stream:
        stream.truncate(50_000_001)
    assert "larger than 50 MB" in only_reason(path)


# --- plain text ----------------------------------------------------------------------------------


def test_the_first_line_is_the_title_where_it_is_set_off(tmp_path: Path) -> None:
    path = write(tmp_path / "tide-tables_2.txt", "High water\r\n\r\nAt noon.\r\nAt night.\r\n")
    article = only_article(path)
    assert article.title == "High water"
    assert article.text == "High water\n\nAt noon.\nAt night."
    digest = hashlib.sha256(path.as_posix().encode()).hexdigest()[:8]
    assert article.id == f"tide-tables-2-{digest}"
    assert only_article(write(path, "One line only.")).title == "Tide tables 2"
    assert only_article(write(path, "# Floods #\nof 1953")).title == "Floods"
    assert only_article(write(path, "word " * 40 + "\n\nmore")).title == "Tide tables 2"


def test_header_lines_are_fields(tmp_path: Path) -> None:
    text = "Title: High water\nDate: 9 April 2022\nSource: The Lantern\n\n  At noon.\n"
    article = only_article(write(tmp_path / "a.txt", text))
    assert (article.title, article.published, article.publisher) == (
        "High water",
        "2022-04-09",
        "The Lantern",
    )
    assert article.text == "  At noon."


@pytest.mark.parametrize(
    "text",
    ["Source: my aunt.\n\nShe said so.", "Title: only a header", "Title: x\nNote: y\n\nText."],
)
def test_what_only_resembles_a_header_stays_text(tmp_path: Path, text: str) -> None:
    assert only_article(write(tmp_path / "a.txt", text)).text == text


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("utf-8-sig", "Ombersley"),
        ("utf-16", "Gärtnerin 園"),
        ("utf-32", "Gärtnerin 園"),
        ("cp1252", "The café sold “naïve” art for £5, façade and all."),
        ("cp1251", "Девочка пошла через реку, чтобы купить семь яиц для бабушки."),
        ("cp932", "霧ヶ浜町の図書館は1978年に開館しました。蔵書は4万2千冊です。"),
    ],
)
def test_text_in_other_encodings(tmp_path: Path, encoding: str, text: str) -> None:
    assert only_article(write(tmp_path / "a.txt", text.encode(encoding))).text == text


def test_one_broken_byte_does_not_turn_utf8_into_something_else(tmp_path: Path) -> None:
    data = "Überall grüßen müde Möwen. ".encode() * 9 + b"\xff"
    assert only_article(write(tmp_path / "a.txt", data)).text.startswith("Überall grüßen")


@pytest.mark.parametrize("data", [b"GIF89a\0\0\0", bytes(range(1, 32)) * 9, b"\x7fELF\2\1\1\0"])
def test_binary_data_is_not_a_text_file(tmp_path: Path, data: bytes) -> None:
    assert "not a text file" in only_reason(write(tmp_path / "a.txt", data))


# --- Markdown ------------------------------------------------------------------------------------


def test_front_matter_is_fields_and_the_rest_metadata(tmp_path: Path) -> None:
    text = """---
id: "007"
title: No
source: The Lantern
author: [Odo Pennywhistle, Perpetua Quickwater]
date: 2022-04-09T23:30:00-07:00
updated: 2022-02-30
url: ftp://lantern.example/a
rating: 5
visited: 2020-01-02
---

# Heading

Body with **marks**.

"""
    article = only_article(write(tmp_path / "a.md", text))
    assert article == Article(
        id="007",
        title="No",
        text="# Heading\n\nBody with **marks**.",
        publisher="The Lantern",
        author="Odo Pennywhistle, Perpetua Quickwater",
        published="2022-04-09",
        metadata={
            "rating": 5,
            "visited": "2020-01-02",
            "updated_raw": "2022-02-30",
            "url_raw": "ftp://lantern.example/a",
        },
    )


def test_nothing_in_front_matter_is_lost(tmp_path: Path) -> None:
    text = "---\nbase: &b {title: Quay}\n<<: *b\ntext: aside\nDate: x\n7: y\n---\nbody"
    article = only_article(write(tmp_path / "a.md", text))
    assert (article.title, article.text) == ("Quay", "body")
    expected = {"base": {"title": "Quay"}, "text": "aside", "published_raw": "x", "7": "y"}
    assert article.metadata == expected


def test_an_unquoted_number_keeps_its_zeros(tmp_path: Path) -> None:
    article = only_article(write(tmp_path / "a.md", "---\nid: 007\ntitle: 1984\n---\ntext"))
    assert (article.id, article.title) == ("007", "1984")


def test_the_first_heading_is_the_title(tmp_path: Path) -> None:
    text = "```sh\n# a comment\n```\n\n# The *real* title #\n\ntext"
    assert only_article(write(tmp_path / "a.md", text)).title == "The *real* title"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("---\ntitle: Boats: a story\n---\ntext", "line 2"),
        ("---\ntitle: never closed\n\ntext", "no closing ---"),
        ("---\ntitle: x\n---\n \n", "no text below"),
        ("---\na: &a [*a]\n---\ntext", "recursive"),
        ("---\na: " + "[" * 5000 + "\n---\ntext", "front matter"),
        ("---\na: !!python/name:os.system\n---\ntext", "front matter"),
        ("---\ntitle: [a]\n---\ntext", '"title" must be a string'),
        ('---\nid: "a\\eb"\n---\ntext', "control characters"),
        (f"---\nid: {'x' * 301}\n---\ntext", "at most 300"),
    ],
)
def test_broken_front_matter_is_reported(tmp_path: Path, text: str, why: str) -> None:
    assert why in only_reason(write(tmp_path / "a.md", text))


def test_a_billion_laughs_are_refused_quickly(tmp_path: Path) -> None:
    levels = [f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 9)}]" for n in range(1, 12)]
    text = "\n".join(["---", "l0: &l0 lol", *levels, "---", "text"])
    assert "too large" in only_reason(write(tmp_path / "a.md", text))


@pytest.mark.parametrize(
    "text", ["---\n\nA rule, then: text.\n\n---\n\nmore", "---\nwords", "--- dashes", "---\n---\nx"]
)
def test_a_rule_at_the_top_is_no_front_matter(tmp_path: Path, text: str) -> None:
    assert only_article(write(tmp_path / "a.md", text)).text in {text, "x"}


# --- JSON Lines ----------------------------------------------------------------------------------


@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    text=st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(str.strip),
    escaped=st.booleans(),
)
def test_text_is_stored_exactly(tmp_path: Path, text: str, escaped: bool) -> None:
    line = json.dumps({"text": text}, ensure_ascii=escaped)
    assert only_article_of_line(write(tmp_path / "a.jsonl", line + "\r\n")).text == text


def only_article_of_line(path: Path) -> Article:
    (loaded,) = load(path)
    assert loaded.article is not None, loaded.failure
    assert loaded.source == f"{path}:1"
    return loaded.article


def test_a_line_may_hold_every_field(tmp_path: Path) -> None:
    row = {
        "id": 17,
        "title": " High \n water ",
        "text": " At noon. \r\n",
        "url": "https://lantern.example/1",
        "publisher": "The Lantern",
        "source": "a feed",
        "author": "Odo Pennywhistle",
        "published": 1649500200,
        "updated": "soon",
        "language": "en",
        "date": "2001",
        "tags": ["a", {"b": None}],
    }
    assert only_article_of_line(write(tmp_path / "a.jsonl", json.dumps(row))) == Article(
        id="17",
        title="High water",
        text=" At noon. \r\n",
        url="https://lantern.example/1",
        publisher="The Lantern",
        author="Odo Pennywhistle",
        published="2022-04-09",
        language="en",
        metadata={
            "source": "a feed",
            "updated_raw": "soon",
            "date": "2001",
            "tags": ["a", {"b": None}],
        },
    )


def test_bad_lines_are_named_and_the_others_go_on(tmp_path: Path) -> None:
    lines = [
        b'\xef\xbb\xbf{"text": "one"}',
        b"",
        b'{"text": "two",}',
        b"[1]",
        b'{"title": "no text"}',
        b'{"text": "  "}',
        b'{"text": 5}',
        b'{"text": "x", "title": {}}',
        b'{"text": "x", "id": true}',
        b'{"text": "caf\xe9"}',
        b'{"text": "x", "n": ' + b"9" * 5000 + b"}",
        b'{"text": "x", "deep": ' + b"[" * 100_000 + b"}",
        b'{"text": "x", "deep": ' + b"[" * 90 + b"]" * 90 + b"}",
        b'{"text": "x", "id": "a\\u0007b"}',
        b'{"text": "x", "id": "a\\ud800b"}',
        b'{"text": "last", "author": NaN, "score": 0.5}',
    ]
    found = outcomes(write(tmp_path / "a.jsonl", b"\n".join(lines)))
    assert list(found) == [1, *range(3, 17)]
    assert (found[1], found[16]) == ("one", "last")
    reasons = [found[line] for line in range(3, 16)]
    expected = [
        *("broken JSON (", "not a JSON object", '"text" is missing', '"text" is empty'),
        *('"text" must be', '"title" must be', '"id" must be', "not UTF-8", "too long"),
        *("nested too deep", "nested too deep", "control characters", "control characters"),
    ]
    for reason, words in zip(reasons, expected, strict=True):
        assert reason.startswith("! ")
        assert words in reason


def test_a_text_without_words_still_has_a_title(tmp_path: Path) -> None:
    assert (
        only_article_of_line(write(tmp_path / "a.jsonl", r'{"text": "\u0001"}')).title == "Untitled"
    )


def test_lone_surrogates_are_replaced(tmp_path: Path) -> None:
    line = r'{"text": "a\ud800b \ud83d\ude00", "k\udfff": "\ud800"}'
    article = only_article_of_line(write(tmp_path / "a.jsonl", line))
    assert article.text == "a\ufffdb 😀"
    assert article.metadata == {"k\ufffd": "\ufffd"}


def test_without_a_title_the_first_words_serve(tmp_path: Path) -> None:
    article = only_article_of_line(write(tmp_path / "a.jsonl", json.dumps({"text": LONG})))
    assert article.title.startswith("The harbour of Brinewick has a quay")
    assert article.title.endswith("…")
    assert len(article.title) <= 80
    digest = hashlib.sha256((article.title + LONG).encode()).hexdigest()[:8]
    assert article.id.endswith(f"-{digest}")
    assert len(article.id) <= 69


def test_ids_come_from_the_link_where_there_is_one(tmp_path: Path) -> None:
    row = {
        "title": "Žluťoučký kůň & Søn",
        "text": "x",
        "url": "https://lantern.example/news/žlutý-kůň",
    }
    article = only_article_of_line(write(tmp_path / "a.jsonl", json.dumps(row)))
    digest = hashlib.sha256("https://lantern.example/news/žlutý-kůň".encode()).hexdigest()[:8]
    assert article.id == f"zluty-kun-{digest}"
    renamed = json.dumps({**row, "title": "A corrected headline"})
    assert only_article_of_line(write(tmp_path / "b.jsonl", renamed)).id == article.id
    row = {"title": "云岭茶园", "text": "x"}
    article = only_article_of_line(write(tmp_path / "a.jsonl", json.dumps(row)))
    assert article.id.startswith("云岭茶园-")


@pytest.mark.parametrize("url", ["javascript:alert(1)", "http://[", "http://", "a b", "/x"])
def test_links_that_lead_nowhere_are_kept_aside(tmp_path: Path, url: str) -> None:
    article = only_article_of_line(
        write(tmp_path / "a.jsonl", json.dumps({"text": "x", "url": url}))
    )
    assert article.url is None
    assert article.metadata == {"url_raw": url}


def test_json_over_several_lines_is_one_failure(tmp_path: Path) -> None:
    text = json.dumps([{"text": "x"}] * 9, indent=1)
    assert "one object on each line" in only_reason(write(tmp_path / "a.jsonl", text))


# --- CSV -----------------------------------------------------------------------------------------


def test_a_table_of_articles(tmp_path: Path) -> None:
    text = (
        "\ufeffTitle;Body;date;section\r\n"
        'High water;"At noon;\r\nand at ""night"".";13/04/2022;tides\r\n'
        "\r\n"
        "No text;;2022;\r\n"
        "Late;one;two;three;four\r\n"
        "Last;Text.\r\n"
    )
    first, empty, long, last = load(write(tmp_path / "a.csv", text))
    assert first.article is not None
    assert first.article.text == 'At noon;\nand at "night".'
    assert first.article.title == "High water"
    assert first.article.published == "2022-04-13"
    assert first.article.metadata == {"section": "tides"}
    assert first.source == f"{tmp_path / 'a.csv'}:2"
    assert empty.failure is not None
    assert empty.source.endswith(":5")
    assert "missing" in empty.failure.reason
    assert long.failure is not None
    assert "5 cells" in long.failure.reason
    assert last.article is not None
    assert last.article.text == "Text."


@pytest.mark.parametrize("separator", [",", "\t", "|", ";"])
def test_the_separator_is_found(tmp_path: Path, separator: str) -> None:
    text = f"id{separator}content\n1{separator}words\n"
    (loaded,) = load(write(tmp_path / "a.csv", text))
    assert loaded.article is not None
    assert (loaded.article.id, loaded.article.text) == ("1", "words")


def test_tables_that_are_none(tmp_path: Path) -> None:
    assert 'no column "text"' in only_reason(write(tmp_path / "a.csv", "1,2\n3,4\n"))
    assert "twice" in only_reason(write(tmp_path / "a.csv", "text,id,id\nx,1,2\n"))
    assert "not a text file" in only_reason(write(tmp_path / "a.csv", b"PK\3\4\0\0text\n"))
    found = outcomes(write(tmp_path / "a.csv", 'text\nfine\n"never closed\nlost\n'))
    assert found[2] == "fine"
    assert "quotation marks" in found[3]


def test_a_cell_may_be_long(tmp_path: Path) -> None:
    (loaded,) = load(write(tmp_path / "a.csv", f"text\n{'word ' * 100_000}\n"))
    assert loaded.article is not None
    assert len(loaded.article.text) == 500_000


# --- HTML ----------------------------------------------------------------------------------------


def page(body: str, head: str = "", lang: str = "en") -> str:
    return (
        f'<!DOCTYPE html><html lang="{lang}"><head><title>Quay</title>{head}</head>'
        f"<body><nav><a href=/>Home</a></nav><main><article>{body}<p>{LONG}</p></article></main>"
        "<footer>© 2011 The Lantern</footer></body></html>"
    )


def test_blocks_of_a_page_stay_apart_and_recognisable(tmp_path: Path) -> None:
    body = (
        "<h1>Quay</h1><p>First <b>bold</b> words,<br>a <a href=x>link</a> &amp; 2 * 3 [1].</p>"
        "<h2>Cork</h2><ul><li>one<ul><li>inner</li></ul></li><li>two</li></ul>"
        "<ol><li>first</li><li>second</li></ol>"
        "<table><tr><th>Year</th><th>Boats</th></tr><tr><td>2010</td><td>55</td></tr></table>"
    )
    article = only_article(write(tmp_path / "a.html", page(body, lang="en-GB")))
    assert article.text == (
        "# Quay\n\nFirst bold words,\na link & 2 * 3 [1].\n\n## Cork\n\n- one\n  - inner\n- two\n\n"
        "1. first\n2. second\n\n| Year | Boats |\n| --- | --- |\n| 2010 | 55 |\n\n" + LONG.strip()
    )
    assert (article.title, article.language, article.published) == ("Quay", "en-GB", None)


def test_a_scraped_page_loses_its_boilerplate() -> None:
    article = only_article(AWKWARD / "scraped-boilerplate.html")
    assert article.title == "Floating market of Brinewick reopens after eleven years"
    assert article.url == "https://lantern.example/news/floating-market-reopens"
    assert article.publisher == "The Brinewick Lantern"
    assert article.author == "Perpetua Quickwater"
    assert (article.published, article.updated) == ("2021-06-14", "2021-06-15")
    assert "860 blocks of pressed cork" in article.text
    assert "| 2010 | 55 |" in article.text
    for noise in ("cookies", "Leave a Comment", "inbox", "onions.", "Subscribe", "All rights"):
        assert noise not in article.text


JSON_LD = '<script type="application/ld+json">{}</script>'


def news(**facts: object) -> str:
    return JSON_LD.format(json.dumps({"@type": "NewsArticle", **facts}))


@pytest.mark.parametrize(
    ("head", "body", "published"),
    [
        (news(datePublished="2022-04-09T23:30:00-07:00"), "", "2022-04-09"),
        (JSON_LD.format('{"@graph": [{"@type": "Article", "datePublished": "2022"}]}'), "", "2022"),
        ('<meta property="article:published_time" content="2022-04-09T01:00Z">', "", "2022-04-09"),
        ('<meta name="citation_publication_date" content="2022/04">', "", "2022-04"),
        ('<meta itemprop="datePublished" content="2022-04-09">', "", "2022-04-09"),
        ("", '<span itemprop="datePublished">9 April 2022</span>', "2022-04-09"),
        ("", "<header><time datetime=2022-04-09>Saturday</time></header>", "2022-04-09"),
        ("", "<p class=byline>By Odo, <time datetime=2022-04-09>Sat</time></p>", "2022-04-09"),
        ("", "<p>Published <time datetime=2022-04-09>9 April</time></p>", "2022-04-09"),
        ("", '<time class="entry-date published" datetime="2022-04-09">x</time>', "2022-04-09"),
        # JSON-LD speaks before meta tags, and the node of this page before others.
        (
            '<link rel=canonical href="https://a.example/1">'
            + news(datePublished="2001-01-01", url="https://a.example/2")
            + news(datePublished="2022-04-09", url="https://a.example/1")
            + '<meta name="date" content="2003-03-03">',
            "",
            "2022-04-09",
        ),
    ],
)
def test_the_date_is_what_the_page_states(
    tmp_path: Path, head: str, body: str, published: str
) -> None:
    assert only_article(write(tmp_path / "a.html", page(body, head))).published == published


@pytest.mark.parametrize(
    ("head", "body"),
    [
        ('<link rel="canonical" href="https://a.example/2019/01/02/quay">', ""),
        ('<meta property="og:image" content="https://a.example/2019/01/02/quay.jpg">', ""),
        ("", "<p>The quay was opened on 3 May 2003.</p><img src='/2019-01-02/a.jpg'>"),
        ("", "<p>It sank on <time datetime=1953-02-01>1 February 1953</time>.</p>"),
        ("", "<p>Published by the Lantern in 2003. © 2011.</p>"),
        ("", "<div class=comments><time class=published datetime=2020-01-01>x</time></div>"),
        ("", "<aside><time pubdate datetime=2020-01-01>Another article</time></aside>"),
        ("", "<p class=byline>Updated <time datetime=2020-01-01>x</time></p>"),
        ("", "<p>timestamp: 20190102 1546400000</p>"),
        (news(dateModified="2020-01-01"), ""),
        (news(datePublished="2020-01-01") + news(datePublished="2021-01-01"), ""),
        (JSON_LD.format('{"@type": "NewsArticle", "datePublished": "2020-01-01",}'), ""),
        (JSON_LD.format('[{"@type": "Event", "startDate": "2020-01-01"}]'), ""),
        (
            JSON_LD.format(
                '{"@type": "ItemList", "itemListElement": [{"item": '
                '{"@type": "NewsArticle", "datePublished": "2020-01-01"}}]}'
            ),
            "",
        ),
    ],
)
def test_a_date_that_the_page_does_not_state_is_unknown(
    tmp_path: Path, head: str, body: str
) -> None:
    path = tmp_path / "2018-01-01-quay.html"
    article = only_article(write(path, page(body, head)))
    assert article.published is None
    assert "published_raw" not in article.metadata


def test_a_stated_date_that_no_one_can_read_is_kept(tmp_path: Path) -> None:
    head = '<meta property="article:published_time" content="04/05/2022">'
    article = only_article(write(tmp_path / "a.html", page("", head)))
    assert article.published is None
    assert article.metadata == {"published_raw": "04/05/2022"}


@pytest.mark.parametrize(
    ("head", "url"),
    [
        ('<link rel="canonical" href="https://a.example/1">', "https://a.example/1"),
        ('<meta property="og:url" content="https://a.example/2">', "https://a.example/2"),
        ('<base href="https://a.example/">', None),
        ('<link rel="canonical" href="javascript:alert(1)">', None),
    ],
)
def test_the_address_is_the_one_of_the_page(tmp_path: Path, head: str, url: str | None) -> None:
    assert only_article(write(tmp_path / "a.html", page("", head))).url == url


def test_a_page_in_another_encoding(tmp_path: Path) -> None:
    text = page("<p>Prostřeno na nábřeží: žluťoučký kůň pil čaj.</p>")
    declared = text.replace("<head>", "<head><meta charset=windows-1250>").encode("cp1250")
    assert "žluťoučký kůň" in only_article(write(tmp_path / "a.htm", declared)).text
    xml = '<?xml version="1.0" encoding="iso-8859-1"?>' + text
    assert "žluťoučký kůň" in only_article(write(tmp_path / "b.html", xml)).text


@pytest.mark.parametrize(
    ("html", "why"),
    [
        ("<html><body><script>app()</script></body></html>", "no article text"),
        ("<!-- nothing -->", "no"),
        ("<p>" + "<span>word</span> " * 8000, "too large to take apart"),
        ("<p>tiny words</p>" * 50_001, "too large to take apart"),
        ("<html>\0</html>", "not a text file"),
    ],
)
def test_pages_without_an_article_are_reported(tmp_path: Path, html: str, why: str) -> None:
    assert why in only_reason(write(tmp_path / "a.html", html))


# --- PDF -----------------------------------------------------------------------------------------


def pdf(path: Path, pages: list[str], header: str = "", owner: str = "", user: str = "") -> Path:
    document = FPDF()
    for number, text in enumerate(pages, 1):
        document.add_page()
        document.set_font("helvetica", size=11)
        if header:
            document.cell(0, 6, header)
            document.ln()
        document.multi_cell(0, 6, text)
        if header:
            document.cell(0, 6, f"Page {number} of {len(pages)}")
    if owner:
        document.set_encryption(owner_password=owner, user_password=user or None)
    document.output(str(path))
    return path


def test_wrapped_lines_and_cut_words_are_whole_again(tmp_path: Path) -> None:
    text = f"The quay\n{LONG}\nIt is a well-known inter-\nnational quay, well-\nknown to gulls."
    article = only_article(pdf(tmp_path / "a.pdf", [text]))
    assert article.title == "The quay"
    ending = "It is a well-known international quay, well-known to gulls."
    assert article.text == f"The quay\n\n{LONG.strip()}\n\n{ending}"


def test_headers_footers_and_page_numbers_go(tmp_path: Path) -> None:
    pages = [
        "".join(f"Boat {n * n + p} has cork on the tide. " for n in range(20)) for p in range(4)
    ]
    article = only_article(pdf(tmp_path / "a.pdf", pages, header="Brinewick Quarterly"))
    assert "Quarterly" not in article.text
    assert "Page" not in article.text
    assert article.text.count("has cork on the tide.") == 80
    assert article.title == "A"


def test_rows_that_go_on_over_pages_stay(tmp_path: Path) -> None:
    pages = ["\n".join(f"Day {p * 40 + n}: {n * 7 % 50} cm" for n in range(40)) for p in range(4)]
    article = only_article(pdf(tmp_path / "a.pdf", pages))
    assert all(f"Day {day}:" in article.text for day in range(160))


def test_title_and_author_come_from_the_document(tmp_path: Path) -> None:
    document = FPDF()
    document.set_title("The cork quay")
    document.set_author("Leopold Driftwood")
    document.add_page()
    document.set_font("helvetica", size=11)
    document.multi_cell(0, 6, LONG)
    document.output(str(tmp_path / "a.pdf"))
    article = only_article(tmp_path / "a.pdf")
    assert (article.title, article.author) == ("The cork quay", "Leopold Driftwood")
    assert article.published is None  # When the file was made is not when it was published.


def test_pdfs_that_cannot_be_read_say_why(tmp_path: Path) -> None:
    blank = FPDF()
    blank.add_page()
    blank.rect(10, 10, 50, 50, "F")
    blank.output(str(tmp_path / "scan.pdf"))
    assert "only images" in only_reason(tmp_path / "scan.pdf")
    locked = pdf(tmp_path / "b.pdf", [LONG], owner="o", user="u")
    assert "encrypted" in only_reason(locked)
    assert "broken PDF" in only_reason(AWKWARD / "broken.pdf")
    assert "broken PDF" in only_reason(write(tmp_path / "c.pdf", "<html>not a PDF</html>"))


def test_a_pdf_that_only_forbids_printing_is_read(tmp_path: Path) -> None:
    assert only_article(pdf(tmp_path / "a.pdf", [LONG], owner="o")).text == LONG.strip()


# --- dates ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "parsed"),
    [
        ("2022", "2022"),
        (2022, "2022"),
        ("2022-04", "2022-04"),
        ("2022-04-09", "2022-04-09"),
        ("2022-04-09T23:30:00-07:00", "2022-04-09"),
        ("2022-04-09 23:30:00.5 UTC", "2022-04-09"),
        ("20220409", "2022-04-09"),
        ("2022/4/9", "2022-04-09"),
        ("13/04/2022", "2022-04-13"),
        ("04/13/2022", "2022-04-13"),
        ("05.05.2022", "2022-05-05"),
        ("9 April 2022", "2022-04-09"),
        ("April 9th, 2022", "2022-04-09"),
        ("Saturday, April 9, 2022 at 5:00 pm EDT", "2022-04-09"),
        ("Sat, 09 Apr 2022 23:30:00 -0700", "2022-04-09"),
        ("Sept. 2022", "2022-09"),
        ("9 avril 2022", "2022-04-09"),
        ("9. März 2022", "2022-03-09"),
        ("9 de abril de 2022", "2022-04-09"),
        ("9 апреля 2022", "2022-04-09"),
        ("2022年4月9日", "2022-04-09"),
        (1649500200, "2022-04-09"),
        ("1649500200000", "2022-04-09"),
        ("04/05/2022", None),  # April or May?
        ("9 listopada 2022", None),  # November in Polish, October in Croatian
        ("2022-02-30", None),
        ("2022-13", None),
        ("0001-01-01", None),
        ("2565-04-09", None),  # A Buddhist year
        ("2022-04-09 to 2022-05-01", None),
        ("9/4/22", None),
        ("yesterday", None),
        ("9 pages 2022", None),
        ("", None),
        (0, None),
        (-1.5, None),
        (12345, None),
        (float("nan"), None),
        (float("inf"), None),
        (True, None),
    ],
)
def test_dates_are_what_is_written_or_unknown(written: object, parsed: str | None) -> None:
    assert parse_date(written) == parsed


@given(st.one_of(st.text(), st.integers(), st.floats(), st.dates().map(str)))
def test_a_parsed_date_parses_to_itself(value: object) -> None:
    parsed = parse_date(value)
    assert parsed is None or parse_date(parsed) == parsed


# --- the whole -----------------------------------------------------------------------------------


def test_the_awkward_corpus_loads_except_for_what_is_broken() -> None:
    loaded = {path.name: next(load(path)) for path in discover(str(AWKWARD))}
    failed = {name for name, one in loaded.items() if one.failure}
    assert failed == {"empty.txt", "broken.pdf"}
    texts = {name: one.article.text for name, one in loaded.items() if one.article}
    assert texts["latin1.txt"].startswith("La fête du village imaginaire\n\nÀ Saint")
    assert "\r" not in texts["bom.txt"]
    assert texts["bom.txt"].startswith("The clockmaker")
    assert "schmeckte süß" in texts["utf16.txt"]
    assert len(texts["long-sentence.txt"].split()) == 3000
    assert texts["huge-table.md"].count("\n| ") == 302


def test_loading_again_gives_the_same_articles() -> None:
    paths = discover(str(AWKWARD))
    assert [list(load(path)) for path in paths] == [list(load(path)) for path in paths]


def test_names_that_are_no_text_do_no_harm(tmp_path: Path) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.txt"))
    path.write_text("words")
    (loaded,) = load(path)
    assert loaded.article is not None
    json.dumps([loaded.source, loaded.article.id, loaded.article.title]).encode()
    loaded.source.encode()
    loaded.article.title.encode()


def test_importing_loads_no_parser() -> None:
    heavy = "{'trafilatura', 'lxml', 'pypdf', 'yaml', 'dateparser', 'charset_normalizer'}"
    code = f"import sys, qa.loading; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
