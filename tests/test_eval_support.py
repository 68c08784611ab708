"""``python -m eval support``: pairs made and read, what is printed, and the set that we keep."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from eval import cli
from eval.support import judging, keeping, making, reading
from eval.support.corrupting import FALSE
from eval.support.making import Pair
from eval.support.sources import Source
from eval.types import Record
from qa.support import Verdict
from qa.types import Article, Quote

ROOT = Path(__file__).parent.parent
HARBOUR = Article(
    "harbour",
    "Harbour wall reopens",
    "The harbour wall at Tellin was reopened on 4 March 2031 after eleven months of repairs. "
    "The work cost 4.2 million crowns, said the engineer Pieter Volk, who led it. "
    "However, the lamps at the eastern end had not been delivered by the evening.\n\n"
    "Mayor Ines Falk said that 1,200 people from Osk and Quell had come to see it. "
    "Ferries will run to Quell again from May, which the innkeepers had demanded in vain before.",
)
LIBRARY = Article(
    "library",
    "Library extends hours",
    "The town library stays open until nine in the evening from the first week of June. "
    "Visits have risen by 18 percent in two years, according to its head, Oda Rehn.",
)
ARTICLES = [HARBOUR, LIBRARY]
PAIRS: list[Record] = [
    {
        "id": "p1",
        "sentence": "The work cost 4.2 million crowns.",
        "quote": "The work cost 4.2 million crowns, said the engineer Pieter Volk, who led it.",
        "article": "harbour",
        "label": "supported",
        "kind": "paraphrase",
    },
    {
        "id": "p2",
        "sentence": "The work cost 4.2 billion crowns.",
        "quote": "The work cost 4.2 million crowns, said the engineer Pieter Volk, who led it.",
        "article": "harbour",
        "label": "unsupported",
        "kind": "unit",
    },
]
NLI: list[Record] = [
    {"premise": "The ferry sank in 1990.", "hypothesis": "The ferry sank.", "label": "entail"},
    {"premise": "The ferry sank in 1990.", "hypothesis": "The ferry sank in 1990 in a storm.",
     "label": "partial"},
    {"premise": "The ferry sank in 1990.", "hypothesis": "The choir sang well.",
     "label": "neutral"},
    {"premise": "The ferry sank in 1990.", "hypothesis": "The ferry sank in 1991.",
     "label": "contradict"},
]  # fmt: skip

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs the command in the test's own folder; code, output, messages."""

    def run(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = cli.run_command(("support", *arguments))
        captured = capsys.readouterr()
        assert "Traceback" not in captured.err
        return code, captured.out, captured.err

    return run


@pytest.fixture(autouse=True)
def files(tmp_path: Path) -> None:
    rows = [{"id": a.id, "title": a.title, "text": a.text} for a in ARTICLES]
    for name, lines in (("articles", rows), ("pairs", PAIRS), ("nli", NLI)):
        text = "".join(f"{json.dumps(line)}\n" for line in lines)
        (tmp_path / f"{name}.jsonl").write_text(text)


# -- the command ----------------------------------------------------------------------------------


def test_pairs_are_judged_by_kind(run: Run) -> None:
    code, out, err = run("pairs.jsonl", "--json")
    assert (code, err) == (0, "")
    told = json.loads(out)
    assert told.pop("ms_a_pair") > 0
    one, other = (
        {"pairs": 1, "rejected": float(rejected), "partial": 0.0, "supported": 1.0 - rejected}
        for rejected in (False, True)
    )
    assert told == {
        "pairs": 2,
        "kinds": {"paraphrase": one, "unit": other},
        "false": other,
        "true": one,
        "auroc": 1.0,
        "auroc_partial": None,
    }


def test_the_table_is_for_reading(run: Run) -> None:
    code, out, _ = run("pairs.jsonl")
    assert code == 0
    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert lines[:5] == [
        "pairs rejected partial supported",
        "paraphrase 1 0.0 % 0.0 % 100.0 %",
        "unit 1 100.0 % 0.0 % 0.0 %",
        "all false pairs 1 100.0 % 0.0 % 0.0 %",
        "all true pairs 1 0.0 % 0.0 % 100.0 %",
    ]
    assert lines[5] == "AUROC of true against the others: 1.000"
    assert lines[6].endswith(" ms a pair")


def test_pairs_of_nli_sets_are_read_as_they_are(run: Run) -> None:
    code, out, _ = run("nli.jsonl", "--json")
    assert code == 0
    told = json.loads(out)
    assert set(told["kinds"]) == {"entail", "partial", "neutral", "contradict"}
    assert told["true"]["pairs"] == 1
    assert told["false"]["pairs"] == 2
    assert told["false"]["rejected"] == 1
    assert told["auroc"] == 1
    assert told["auroc_partial"] == 1
    assert "true and partial against false: 1.000" in run("nli.jsonl")[1]


def test_pairs_of_one_label_have_no_auroc(run: Run) -> None:
    Path("pairs.jsonl").write_text(json.dumps(PAIRS[0]))
    assert json.loads(run("pairs.jsonl", "--json")[1])["auroc"] is None
    out = run("pairs.jsonl")[1]
    assert "others: none" in out
    assert [line.split() for line in out.splitlines() if "false" in line] == [
        ["all", "false", "pairs", "0", "-", "-", "-"]
    ]


def test_errors_are_shown_with_the_reason(run: Run) -> None:
    wrong = PAIRS[1] | {"id": "w", "label": "supported", "kind": "paraphrase"}
    Path("pairs.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in (*PAIRS, wrong)))
    code, out, _ = run("pairs.jsonl", "--show", "2")
    assert code == 0
    assert "paraphrase, w\n  unsupported (" in out
    assert "4.2 billion crowns is not in the quote" in out
    assert f"says:   {wrong['sentence']}" in out
    assert f"quotes: {wrong['quote']}" in out
    (error,) = json.loads(run("pairs.jsonl", "--show", "2", "--json")[1])["errors"]
    assert (error["id"], error["label"], error["verdict"]) == ("w", "supported", "unsupported")
    assert "errors" not in json.loads(run("pairs.jsonl", "--json")[1])


def test_made_pairs_are_written_and_judged_alike_when_read(run: Run) -> None:
    code, made, _ = run("--articles", "articles.jsonl", "--out", "made/pairs.jsonl", "--json")
    assert code == 0
    lines = [json.loads(line) for line in Path("made/pairs.jsonl").read_text().splitlines()]
    assert {tuple(line) for line in lines} == {
        ("id", "sentence", "quote", "article", "label", "kind")
    }
    again = json.loads(run("made/pairs.jsonl", "--articles", "articles.jsonl", "--json")[1])
    told = json.loads(made)
    assert told["pairs"] == len(lines)
    assert again | {"ms_a_pair": 0} == told | {"ms_a_pair": 0}


def test_the_seed_and_the_number_of_sentences_decide(run: Run) -> None:
    def made(*options: str) -> str:
        assert run("--articles", "articles.jsonl", "--out", "made.jsonl", *options)[0] == 0
        return Path("made.jsonl").read_text()

    assert made("--seed", "1") == made("--seed", "1")
    assert made("--seed", "1", "--per-article", "1") != made("--seed", "2", "--per-article", "1")
    assert made("--per-article", "1").count("verbatim") < made().count("verbatim")


def test_articles_in_other_layouts_are_read(run: Run) -> None:
    paragraphs = [{"context": HARBOUR.text, "qas": []}]
    Path("dev.json").write_text(
        json.dumps({"data": [{"title": "Harbour_wall", "paragraphs": paragraphs}]})
    )
    Path("folder").mkdir()
    Path("folder/library.txt").write_text(f"{LIBRARY.title}\n\n{LIBRARY.text}\n")
    for source in ("dev.json", "folder"):
        code, out, _ = run("--articles", source, "--json")
        assert code == 0
        assert json.loads(out)["kinds"]["verbatim"]["pairs"] >= 2


def test_an_article_that_cannot_be_read_is_told_and_exit_1(run: Run) -> None:
    with Path("articles.jsonl").open("a") as file:
        file.write("{}\n")
    code, out, err = run("--articles", "articles.jsonl", "--json")
    assert code == 1
    assert json.loads(out)["pairs"] > 10
    assert "articles.jsonl:3" in err


def _broken(**change: object) -> str:
    return json.dumps({k: v for k, v in (PAIRS[0] | change).items() if v is not None})


@pytest.mark.parametrize(
    ("arguments", "content", "message"),
    [
        ((), "", "Give a file of pairs, or --articles"),
        (("no.jsonl",), "", "no.jsonl cannot be read"),
        (("p.jsonl",), "", "p.jsonl holds no pair"),
        (("p.jsonl",), "{", "p.jsonl, line 1: broken JSON"),
        (("p.jsonl",), "\n[]", "p.jsonl, line 2: not a JSON object"),
        (("p.jsonl",), _broken(sentence=None), '"sentence" is missing'),
        (("p.jsonl",), _broken(quote=5), '"quote" is missing or not a string'),
        (("p.jsonl",), _broken(label=None), '"label" is missing'),
        (("p.jsonl",), _broken(label="true"), '"label" is none of supported'),
        (("p.jsonl",), '{"premise": "A."}', '"hypothesis" is missing'),
        (("p.jsonl", "--articles", "articles.jsonl"), _broken(article="x"), "the id x"),
        (("p.jsonl", "--articles", "articles.jsonl"), _broken(quote="Not in it."), "not stand"),
        (("pairs.jsonl", "--out", "o.jsonl"), "", "--out is for pairs that are made"),
        (("--articles", "no"), "", "no such file"),
        (("--articles", "p.jsonl"), "{}", "No article of p.jsonl can be read"),
        (("--articles", "p.txt"), "A list\n\nof words", "No sentence of p.txt"),
        (("--articles", "articles.jsonl", "--per-article", "0"), "", "per-article"),
        (("pairs.jsonl", "--show", "-1"), "", "show"),
    ],
)
def test_what_a_user_can_mend_is_one_line_and_exit_2(
    run: Run, arguments: tuple[str, ...], content: str, message: str
) -> None:
    for name in ("p.jsonl", "p.txt"):
        Path(name).write_text(content)
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert message in err.splitlines()[-1]


# -- errors ---------------------------------------------------------------------------------------


def _judged(label: str, support: str, score: float = 0.5, kind: str = "k") -> judging.Judged:
    pair = Pair("p", "A.", Quote(HARBOUR, 0, 3), reading.LABELS[label], kind)
    return judging.Judged(pair, Verdict(reading.LABELS[support], score))


@pytest.mark.parametrize(
    ("label", "right"),
    [
        ("supported", {"supported", "partial"}),
        ("partial", {"partial"}),
        ("unsupported", {"unsupported"}),
    ],
)
def test_which_verdicts_are_errors(label: str, right: set[str]) -> None:
    verdicts = ("supported", "partial", "unsupported")
    assert {v for v in verdicts if not _judged(label, v).wrong} == right


def test_the_worst_errors_of_each_kind_come_first() -> None:
    wrong = [
        *(_judged("unsupported", "supported", score) for score in (0.7, 0.9, 0.8)),
        *(_judged("supported", "unsupported", score, "verbatim") for score in (0.2, 0.1)),
        _judged("supported", "supported", 1.0, "verbatim"),
    ]
    found = [(each.pair.kind, each.verdict.score) for each in judging.errors(wrong, 2)]
    assert found == [("verbatim", 0.1), ("verbatim", 0.2), ("k", 0.9), ("k", 0.8)]
    assert judging.errors(wrong, 0) == []


# -- the maker ------------------------------------------------------------------------------------


def _made(seed: int = 0, most: int = 9) -> list[Pair]:
    return list(making.make(ARTICLES, seed, most))


def test_every_quote_is_exact_and_every_id_is_its_own() -> None:
    pairs = _made()
    assert len({pair.id for pair in pairs}) == len(pairs) > 20
    for pair in pairs:
        quoted = pair.quoted
        assert quoted.article in ARTICLES
        assert quoted.text.strip() == quoted.text != ""
        assert quoted.article.text[quoted.start : quoted.end] == quoted.text


def test_true_kinds_are_supported_and_false_kinds_are_not() -> None:
    for pair in _made():
        assert pair.label == ("supported" if pair.kind in keeping.TRUE else "unsupported")
        assert pair.kind in making.KINDS
        own = pair.sentence in " ".join(pair.quoted.text.split())
        assert not own or pair.label == "supported"


def test_the_same_seed_makes_the_same_pairs() -> None:
    assert _made(3, 2) == _made(3, 2)
    assert _made(3, 2) != _made(4, 2)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "A heading",
        "Too short a sentence.",
        "Who would have thought that the harbour wall would ever be opened again?",
        f"It goes on {'and on ' * 60}.",
        "and this begins in the middle of a sentence that was torn apart.",
        '"This quotation was opened and is not closed in the whole of this sentence.',
    ],
)
def test_articles_without_usable_sentences_give_no_pairs(text: str) -> None:
    assert list(making.make([Article("a", "A title", text)])) == []


def _changed(kind: str, sentence: str) -> set[str | None]:
    """What 20 draws make of a sentence that stands in an article with other names."""
    beside = " Mr Tolland met Piet Marr in Quell. Mr Harrow lives in Dunmarsh."
    article = Article("a", "", sentence + beside)
    source = Source(article, 0, len(sentence), 0, len(sentence))
    change = (keeping.TRUE | FALSE)[kind]
    return {change(sentence, source, random.Random(seed)) for seed in range(20)}


@pytest.mark.parametrize(
    ("kind", "sentence", "expected"),
    [
        ("verbatim", "The ferry sank.", {"The ferry sank."}),
        ("connective dropped", "However, the ferry sank.", {"The ferry sank."}),
        ("connective dropped", "Still waters run deep.", {None}),
        ("connective dropped", "But for the storm she had lived.", {None}),
        (
            "clause dropped",
            "The ferry to the island of Osk was rammed near the old pier, which nobody had lit.",
            {"The ferry to the island of Osk was rammed near the old pier."},
        ),
        (
            "clause dropped",
            "The captain had loaded twenty sacks of barley, two goats, a piano, and a cow.",
            {None},
        ),
        ("written otherwise", "It sank on 3 March.", {"It sank on March 3."}),
        ("written otherwise", "Between 3 and 5 March.", {"Between 3 and 5 March."}),
        ("written otherwise", "It has two masts.", {"It has 2 masts."}),
        ("written otherwise", "Rents rose by 5 per cent.", {"Rents rose by 5%."}),
        ("written otherwise", "She said “two masts”.", {None}),
        ("unit", "It cost 4 million crowns.", {"It cost 4 billion crowns."}),
        ("unit", "It lasted two weeks.", {"It lasted two days."}),
        ("unit", "It lasted a while.", {None}),
        ("negation", "The ferry was lost.", {"The ferry was not lost."}),
        ("negation", "The ferry was not lost.", {"The ferry was lost."}),
        ("negation", "She did not come until nine.", {None}),
        ("negation", "What she will do is her affair.", {None}),
        ("negation", "It was noted for its masts.", {"It was not noted for its masts."}),
        ("comparative", "It is the largest mill.", {"It is the smallest mill."}),
        ("comparative", "It stood on the first-floor landing.", {None}),
        ("comparative", "There was an increase of rents.", {"There was a decrease of rents."}),
        ("comparative", "Osk was named after the saint.", {None}),
        ("name", "Mr Osk was seen.", {"Mr Tolland was seen.", "Mr Harrow was seen."}),
        ("name", "She lives in Osk.", {"She lives in Quell.", "She lives in Dunmarsh."}),
        ("name", "She came on Friday.", {None}),
        ("number", "It sank in 1990.", {None}),
        ("number", "More than 40 people came.", {None}),
        ("number", "It opens at 9 a.m. in May.", {None}),
        ("date", "It has stood since 1990.", {None}),
    ],
)  # fmt: skip
def test_what_the_maker_makes(kind: str, sentence: str, expected: set[str | None]) -> None:
    assert _changed(kind, sentence) == expected


@pytest.mark.parametrize(
    ("kind", "sentence", "pattern"),
    [
        ("number", "It holds 1,200 people.", r"It holds (?!1,200)(?:\d,)?\d00 people\."),
        ("number", "It cost 4.2 crowns.", r"It cost (?!4\.2)\d\.\d crowns\."),
        ("number", "It has seven masts.", r"It has (?!seven\b)\w+ masts\."),
        ("number", "It is on the third floor.", r"It is on the (?!third)\w+th floor\."),
        ("date", "It sank in 1990.", r"It sank in (?!1990)(?:19|20)\d\d\."),
        ("date", "It sank on 3 March.", r"It sank on (?:(?!3)\d+ March|3 (?!March)[A-Z]\w+)\."),
        ("attributed", "The ferry sank.", r"(?:According to|The article|It is) .*the ferry sank\."),
    ],
)
def test_what_the_maker_draws(kind: str, sentence: str, pattern: str) -> None:
    changed = _changed(kind, sentence)
    assert None not in changed
    assert len(changed) > 1
    assert all(re.fullmatch(pattern, new or "") for new in changed), changed


def test_what_two_articles_both_tell_is_not_called_unrelated() -> None:
    twin = Article("twin", "", HARBOUR.text)
    kinds = {pair.kind for pair in making.make([HARBOUR, twin], most=1)}
    assert "verbatim" in kinds
    same = [p for p in making.make([HARBOUR, twin], most=9) if p.kind == "unrelated"]
    assert all(p.sentence not in " ".join(p.quoted.text.split()) for p in same)


# -- the set --------------------------------------------------------------------------------------


def test_the_set_is_whole() -> None:
    known, failed = reading.articles(ROOT / "corpus" / "articles")
    assert not failed
    pairs = reading.read(ROOT / "eval" / "sets" / "support.jsonl", known)  # quotes are exact
    assert len(pairs) >= 400
    assert len({pair.id for pair in pairs}) == len(pairs)
    assert {pair.kind for pair in pairs} == set(making.KINDS)
    true = {*keeping.TRUE, "paraphrase"}
    assert all((pair.label == "supported") == (pair.kind in true) for pair in pairs)
    assert all(pair.sentence.strip() for pair in pairs)
