"""LlamaIndex, both ways: the library as a retriever there, answers of ours over theirs."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.schema import BaseNode, NodeWithScore, QueryBundle
from llama_index.core.storage.docstore.types import BaseDocumentStore

from qa.assistant import Assistant
from qa.errors import InputError
from qa.generation.extractive import ExtractiveGenerator
from qa.integrations.nodes import NodeRetriever, node_of
from qa.protocols import Generator, Rewriter, TermStatistics
from qa.reading import MiniLMReader
from qa.retrieval import CollapsingRetriever
from qa.types import Answer, Filters, Turn

if TYPE_CHECKING:
    from llama_index.core.llms import LLM

    from qa.library import Library

LONGEST = 4_000  # characters of a question


class LibraryRetriever(BaseRetriever):
    """The library for LlamaIndex's engines; offsets are into the article's text."""

    def __init__(self, library: Library, k: int = 10, filters: Filters | None = None) -> None:
        super().__init__()
        self.library, self._k, self._filters = library, k, filters

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        hits = self.library.search(query_bundle.query_str, self._k, self._filters)
        return [NodeWithScore(node=node_of(hit), score=hit.score) for hit in hits]

    async def _aretrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        return await asyncio.to_thread(self._retrieve, query_bundle)


def as_llama_index_retriever(
    library: Library, k: int = 10, filters: Filters | None = None
) -> LibraryRetriever:
    """A LlamaIndex retriever of the ``k`` best passages within ``filters``."""
    return LibraryRetriever(library, k, filters)


class Answerer:
    """Asks what a LlamaIndex retriever finds; see :func:`answerer`."""

    def __init__(self, assistant: Assistant) -> None:
        self._assistant = assistant

    def ask(self, question: str, history: Sequence[Turn] = ()) -> Answer:
        """A cited answer, or an abstention with the nearest passages."""
        *_, answer = self.stream(question, history)
        return answer

    def stream(self, question: str, history: Sequence[Turn] = ()) -> Iterator[Answer]:
        """Ever more complete answers; the last one is final. Raises InputError where there is no
        question; what the retriever raises goes through."""
        asked = question.encode("utf-8", "replace").decode("utf-8").strip()
        if not asked:
            raise InputError("The question is empty. Type some words.")
        if len(asked) > LONGEST:
            raise InputError(f"The question is longer than {LONGEST:,} characters. Shorten it.")
        yield from self._assistant.stream(asked, history)


def answerer(
    retriever: BaseRetriever,
    *,
    llm: LLM | None = None,
    documents: Iterable[BaseNode] | BaseDocumentStore = (),
    statistics: TermStatistics | None = None,
) -> Answerer:
    """Cited, checked answers over the nodes that a LlamaIndex retriever finds.

    Without ``llm`` the answers are sentences of the nodes. With ``documents``, the documents or the
    docstore behind the retriever, citations stand in whole documents, and how rare a word is is
    counted over all of them; without, over the nodes found so far. ``statistics`` go before both:
    give ``library.statistics`` where our own retriever is wrapped in another.
    """
    if not isinstance(documents, BaseDocumentStore):
        known = {each.node_id: each for each in documents}
    else:
        known = documents.docs
    nodes = NodeRetriever(retriever, known)
    own = _LibraryWords(retriever.library) if isinstance(retriever, LibraryRetriever) else None
    extractive = ExtractiveGenerator(statistics or own or nodes.words, MiniLMReader())
    generator: Generator = extractive
    rewriter: Rewriter | None = None
    if llm is not None:
        from qa.generation.llm import LlmGenerator, LlmRewriter
        from qa.generation.models import LanguageModel

        model = LanguageModel(llm)
        generator, rewriter = LlmGenerator(model, extractive), LlmRewriter(model)
    return Answerer(Assistant(CollapsingRetriever(nodes), generator, rewriter=rewriter))


class _LibraryWords:
    """A library's term statistics, looked up when they are needed: it may close in between."""

    def __init__(self, library: Library) -> None:
        self._library = library

    def document_count(self) -> int:
        return self._library.statistics.document_count()

    def document_frequency(self, word: str) -> int:
        return self._library.statistics.document_frequency(word)
