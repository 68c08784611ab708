"""Answers in a language model's words, from the passages it is shown; what it writes is a draft.

Whether the passages can answer is decided before, in code, and each sentence is checked after.
Where the model gives nothing, the extractive answer takes its place and says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import date
from typing import NamedTuple

from qa import markers, prompts, selection
from qa.generation.extractive import ExtractiveGenerator, sentence_of
from qa.generation.models import LanguageModelError
from qa.protocols import ChatModel
from qa.rivals import Value
from qa.types import Draft, DraftSentence, Hit, Quote, Turn

WAITING = "Waiting for the language model…"
WRITING = "Writing the answer…"
INSTEAD = "This answer is the articles’ own sentences instead."
ATTEMPTS, SHORTER = 3, 60  # how often a prompt that is too long is sent, each at most 60 % of it
LEAST_ROOM = 512  # tokens; below, a prompt that was too long is not tried shorter again
MOST_SENTENCES = 8  # of a reply; small models begin to repeat themselves
LONGEST_QUESTION = 400  # characters of a rewritten question


class LlmGenerator:
    """Writes with a language model; ``extractive`` decides whether to ask it, and stands in."""

    name = "llm"

    def __init__(
        self,
        model: ChatModel,
        extractive: ExtractiveGenerator,
        today: Callable[[], date] = date.today,
    ) -> None:
        self._model = model
        self._extractive = extractive
        self._today = today

    def generate(self, question: str, hits: Sequence[Hit]) -> Iterator[Draft]:
        """Ever more sentences, each with the passages whose keys the model put behind it."""
        yield Draft(stage=WAITING)
        judged = self._extractive.judge(question, hits)
        if judged.confidence < selection.threshold():
            yield Draft(confidence=judged.confidence)
            return
        known = Draft(confidence=judged.confidence, stage=WAITING)
        state = _State(known)
        try:
            for now in self._written(question, hits, known):
                state = now
                yield state.draft
        except LanguageModelError as failure:
            yield self._after(failure, question, judged, state.draft)
            return
        if state.draft.sentences or state.declined:
            differing = self._extractive.differing(question, judged) if not state.declined else []
            yield replace(_with_both_sides(state.draft, differing), stage="")
            return
        empty = LanguageModelError(
            f"The language model {self._model.name} wrote nothing to be used. Try again, or choose "
            "another QA_LLM_MODEL."
        )
        yield self._after(empty, question, judged, state.draft)

    def _after(
        self, failure: LanguageModelError, question: str, judged: selection.Judged, last: Draft
    ) -> Draft:
        """What is left when a model fails: what it wrote so far, or else the extractive answer."""
        instead = replace(
            self._extractive.draft(question, judged),
            notes=(f"{failure} {INSTEAD}",),
            generator=self._extractive.name,
        )
        if not last.sentences:
            return instead
        notes = (*last.notes, f"{failure} What it wrote until then is shown.")
        return replace(last, stage="", notes=notes, instead=instead)

    def _written(self, question: str, hits: Sequence[Hit], known: Draft) -> Iterator[_State]:
        """States as the reply grows; with fewer passages where they were too many after all."""
        room = self._model.room
        for attempt in range(ATTEMPTS):
            shown = prompts.answer(question, hits, self._today(), room)
            if not shown.sources:
                raise LanguageModelError(
                    f"The context of {self._model.name} has no room for a single passage. "
                    "Set QA_LLM_CONTEXT to what it really has."
                )
            try:
                yield from self._streamed(shown, known)
                return
            except LanguageModelError as failure:
                room = SHORTER * shown.tokens // 100
                if not failure.too_long or room < LEAST_ROOM or attempt + 1 == ATTEMPTS:
                    raise

    def _streamed(self, shown: prompts.Shown, known: Draft) -> Iterator[_State]:
        usage = {"passages": len(shown.sources), "passages_dropped": shown.dropped}
        writing = replace(known, usage={**usage, "prompt_tokens": shown.tokens}, stage=WRITING)
        reply, count = "", 0
        try:
            for piece in self._model.stream(shown.messages):
                reply += piece
                found = markers.parse(reply, shown.sources, final=False) if piece else []
                if not piece and not count:
                    yield _State(known)
                elif len(found) > count:
                    count = len(found)
                    yield _state(found, shown.sources, writing)
                if count >= MOST_SENTENCES:
                    return
        except LanguageModelError:
            whole = [m for m in markers.parse(reply, shown.sources, final=True) if _ends(m.text)]
            yield _state(whole, shown.sources, writing)
            raise
        yield _state(markers.parse(reply, shown.sources, final=True), shown.sources, writing)


def _ends(text: str) -> bool:
    """Whether a sentence is whole, where a reply was cut off somewhere."""
    return text.rstrip("\"'”’)»").endswith((".", "!", "?", "…", "。"))


def _with_both_sides(draft: Draft, differing: Sequence[Value]) -> Draft:
    """Adds, in the words of its article, each value that articles give and the model left out."""
    sentences = list(draft.sentences)
    sides = []
    for value in differing:
        told = (n for n, each in enumerate(sentences) if value.words.lower() in each.text.lower())
        place = next(told, len(sentences))
        if place == len(sentences):
            sentences.append(sentence_of(value.candidate))
        sides.append((place, value.words))
    return replace(draft, sentences=tuple(sentences), disputed=(tuple(sides),) if sides else ())


class _State(NamedTuple):
    """What there is of an answer; ``declined``: the model said that the articles do not tell."""

    draft: Draft
    declined: bool = False


def _state(found: Sequence[markers.Marked], sources: dict[str, Hit], writing: Draft) -> _State:
    told = [marked for marked in found if not markers.said(marked.text, prompts.SENTINEL)]
    once: dict[str, DraftSentence] = {}
    for marked in told:
        once.setdefault(marked.text, _sentence(marked, sources))
    sentences = tuple(once.values())[:MOST_SENTENCES]
    return _State(replace(writing, sentences=sentences), declined=bool(found) and not told)


def _sentence(marked: markers.Marked, sources: dict[str, Hit]) -> DraftSentence:
    passages = [sources[key].passage for key in marked.keys]
    articles = [sources[key].article for key in marked.keys]
    quotes = (Quote(a, p.start, p.end) for a, p in zip(articles, passages, strict=True))
    return DraftSentence(marked.text, tuple(quotes))


class LlmRewriter:
    """Makes a follow-up stand alone with a language model."""

    def __init__(self, model: ChatModel, today: Callable[[], date] = date.today) -> None:
        self._model = model
        self._today = today

    def stand_alone(self, question: str, history: Sequence[Turn]) -> str:
        """The question as the model would ask it alone; empty where it gave nothing usable."""
        messages = prompts.rewrite(question, history, self._today(), self._model.room)
        try:
            reply = "".join(self._model.stream(messages))
        except LanguageModelError:
            return ""
        lines = [marked.text for marked in markers.parse(reply, (), final=True)]
        # A model may talk around it; what it was asked for is a question.
        asked = (line.removeprefix("Question:").strip('"“” ') for line in lines)
        return next((q for q in asked if q.endswith(("?", "？", "؟")) and _usable(q)), "")


def _usable(question: str) -> bool:
    return 1 < len(question) <= LONGEST_QUESTION and not markers.said(question, prompts.SENTINEL)
