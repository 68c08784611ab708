"""The library: the one place that turns settings into objects, and the door for programs."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property, partial
from itertools import islice
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from qa import embedding, ingestion, places, store, tracing
from qa.assistant import Assistant, find
from qa.catalog import ArticleRecord
from qa.citations import Policy
from qa.embedding import GraphEmbedder, SentenceTransformerEmbedder
from qa.entailment import CrossEncoderEntailment
from qa.errors import InputError, LibraryError, ModelError, ModelMismatchError, SettingsError
from qa.generation.extractive import ExtractiveGenerator
from qa.places import Place
from qa.protocols import Embedder, Generator, Retriever, TermStatistics
from qa.reading import MiniLMReader
from qa.retrieval import (
    CollapsingRetriever,
    DenseRetriever,
    HybridRetriever,
    LexicalRetriever,
)
from qa.settings import Settings, load_settings
from qa.store import Store
from qa.support import Entailment
from qa.types import (
    Answer,
    Article,
    ArticleChange,
    Check,
    Filters,
    Hit,
    IngestReport,
    Listing,
    Passage,
    Turn,
)
from qa.workers import Itself, hire

if TYPE_CHECKING:
    from langchain_core.retrievers import BaseRetriever as LangChainRetriever
    from llama_index.core.base.base_retriever import BaseRetriever
    from llama_index.core.llms import LLM

    from qa.generation.models import LanguageModel
    from qa.suggesting import Suggestion

QUESTION_CHARACTERS = 4_000
REEMBED_ARTICLES = 200
SWAPPING = 0.5  # seconds within which a rebuild has put its indexes into their places
SUGGESTIONS_TRIED = 4  # suggested questions that are tried for each that is wanted
PROBED = 80  # characters that a language model is made to write to see whether it answers


class Library:
    """A folder of articles that can be searched and asked.

    Nothing is opened or loaded before it is needed. Safe to share between threads; one process at a
    time may write. Every error is a :class:`qa.errors.QaError` whose message says what to do.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        embedder: Embedder | None = None,
        generator: Generator | None = None,
        llm: LLM | None = None,
    ) -> None:
        self.settings = settings
        self.path = settings.library
        self._embedder = embedder
        self._generator = generator
        self._llm = llm
        self._opened: Store | None = None
        self._opening = threading.RLock()
        # Every answer passes through it, whichever face asked: a server counts here.
        self.watched: Callable[[Iterator[Answer]], Iterator[Answer]] = iter

    @classmethod
    def open(
        cls,
        path: str | PathLike[str] | None = None,
        *,
        settings: Settings | None = None,
        embedder: Embedder | None = None,
        generator: Generator | None = None,
        llm: LLM | None = None,
    ) -> Self:
        """Opens the library in a folder, which ``add`` creates if it is not there.

        Settings come from ``qa.toml`` and ``QA_*`` unless given; ``path`` goes before both. An
        embedder or a generator of your own takes the place of the configured one; with ``llm``, any
        LlamaIndex LLM, answers are written by it whatever QA_GENERATOR says.
        """
        settings = settings or load_settings()
        if path is not None:
            settings = settings.model_copy(update={"library": Path(path)})
        return cls(settings, embedder=embedder, generator=generator, llm=llm)

    @cached_property
    def embedder(self) -> Embedder:
        """The configured model. Raises ModelError where it cannot be found."""
        return self._embedder or embedding.choose(self.settings.embedding_model, self._graphs)

    @property
    def _recipe(self) -> Callable[[], Embedder]:
        """How a worker makes the embedder: a model by its name, a program's own as it is."""
        if isinstance(self.embedder, (GraphEmbedder, SentenceTransformerEmbedder)):
            return partial(embedding.choose, self.embedder.name, self._graphs.resolve())
        return Itself(self.embedder)

    @cached_property
    def place(self) -> Place:
        """Where the library is: a folder, or servers. Raises SettingsError for a bad address."""
        return places.place(self.settings)

    @property
    def exists(self) -> bool:
        """Whether there is a library: ``add`` makes one where there is none."""
        with self.place.errors():
            return self.place.exists()

    @property
    def _graphs(self) -> Path:
        return self.path / "graphs"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the files; the library opens again when it is used again."""
        with self._opening:
            opened, self._opened = self._opened, None
        model = self.__dict__.pop("_language_model", None)
        if model is not None:
            model.close()
        for name in ("_retriever", "_assistant", "_extractive"):
            self.__dict__.pop(name, None)
        if opened is not None:
            opened.close()
        where = self.__dict__.pop("place", None)
        if where is not None:
            where.close()

    # Reading

    def search(
        self,
        query: str,
        k: int = 10,
        filters: Filters | None = None,
        history: Sequence[Turn] = (),
    ) -> list[Hit]:
        """The ``k`` best passages, best first; near-identical copies are folded into one hit.

        With ``history`` the query is searched for as a follow-up.
        """
        query = _checked(query, "query")
        if k < 1:
            raise InputError(f"The number of passages must be at least 1, not {k}.")
        return find(self._retriever, query, history, k, filters)

    def ask(
        self, question: str, history: Sequence[Turn] = (), filters: Filters | None = None
    ) -> Answer:
        """A cited answer, or an abstention with the nearest passages."""
        *_, answer = self.stream(question, history, filters)
        return answer

    def stream(
        self, question: str, history: Sequence[Turn] = (), filters: Filters | None = None
    ) -> Iterator[Answer]:
        """Ever more complete answers; the last one is final."""
        question = _checked(question, "question")
        yield from self.watched(self._stream(question, history, filters))

    def _stream(
        self, question: str, history: Sequence[Turn], filters: Filters | None
    ) -> Iterator[Answer]:
        with self.place.errors():
            yield from self._assistant.stream(question, history, filters)

    def articles(self) -> list[Listing]:
        """Every article without its text, newest first, those of unknown date last."""
        with self.place.errors():
            return self._store.catalog.listings()

    def find_articles(self, words: str, most: int) -> tuple[list[Listing], int]:
        """The newest ``most`` articles that have these words in title or publisher (all where there
        are none), and how many have them."""
        with self.place.errors():
            return self._store.catalog.find(words, most)

    def span(self) -> tuple[int, str | None, str | None]:
        """How many articles there are, and the first and the last day they are from, if known."""
        with self.place.errors():
            return self._store.catalog.span()

    def size(self) -> tuple[int, int]:
        """How many articles there are, and how many passages they are cut into."""
        with self.place.errors():
            return self._store.catalog.article_count(), self._store.catalog.passage_count()

    def count(self, filters: Filters) -> int:
        """How many articles the filters let through."""
        with self.place.errors():
            return self._store.catalog.count(filters)

    @property
    def generation(self) -> int:
        """A number that grows with every change of the articles."""
        with self.place.errors():
            return self._store.catalog.generation

    def source_of(self, article_id: str) -> str:
        """The file that an article came from; empty where a program made it or it is not there."""
        with self.place.errors():
            return self._store.catalog.source_of(article_id)

    def articles_from(self, file: str) -> int:
        """How many articles came from this file."""
        with self.place.errors():
            return self._store.catalog.articles_from(file)

    def questions(
        self, article_ids: Sequence[str] | None = None, *, most: int = 4, but: Sequence[str] = ()
    ) -> list[str]:
        """Questions that these articles, or the newest ones, answer: each was tried just now.

        None of those in ``but``. They are about sentences of a plain form, in English.
        """
        with self.place.errors():
            found = self._store.catalog.suggestions(article_ids, SUGGESTIONS_TRIED * most)
        found.sort(key=lambda each: each[1].question.startswith("Who is "))  # the least telling
        with tracing.untraced():
            return list(islice(self._answerable(found, set(but)), most))

    def publishers(self) -> list[str]:
        """The publishers that articles name, in alphabetical order."""
        with self.place.errors():
            return self._store.catalog.publishers()

    def article(self, article_id: str) -> Article:
        """One article whole. Raises InputError where there is none of this id."""
        with self.place.errors():
            found = self._store.catalog.article(article_id)
        if found is None:
            raise InputError(f"There is no article {article_id}. See the ids with: qa list")
        return found

    def articles_by_id(self, ids: Iterable[str]) -> dict[str, Article]:
        """Those of these articles that there are."""
        with self.place.errors():
            return self._store.catalog.articles(ids)

    def passages(self, article_id: str) -> list[Passage]:
        """An article's passages in reading order."""
        with self.place.errors():
            return self._store.catalog.passages_of(article_id)

    @property
    def statistics(self) -> TermStatistics:
        """How common a word is in this library."""
        return self._store.lexical

    def check(self) -> list[Check]:
        """What ``qa doctor`` says: the model, then the catalog against its indexes."""
        checks = [self._check_model(), *self._check_answering()]
        if not self.exists:
            detail = f"there is none in {self.place.name}"
            return [*checks, Check("library", False, detail, "Add articles: qa add FOLDER")]
        own = places.place(self.settings)  # others may be using what this library has open
        try:
            self._renew()
            with own.errors():
                return [*checks, *store.check(own), self._check_fingerprint(own)]
        finally:
            own.close()

    # Inside other programs

    def as_llama_index_retriever(
        self, k: int = 10, filters: Filters | None = None
    ) -> BaseRetriever:
        """A retriever for LlamaIndex's engines; offsets and metadata are the articles'."""
        from qa import integrations

        return integrations.as_llama_index_retriever(self, k, filters)

    def as_langchain_retriever(
        self, k: int = 10, filters: Filters | None = None
    ) -> LangChainRetriever:
        """A retriever for LangChain's chains. Raises SettingsError without the extra langchain."""
        from qa import integrations

        return integrations.as_langchain_retriever(self, k, filters)

    # Writing

    def add(
        self,
        sources: Iterable[str | PathLike[str] | Article],
        *,
        prune: bool = False,
        on_progress: ingestion.OnProgress | None = None,
        workers: int | None = None,
    ) -> IngestReport:
        """Adds or updates articles from files, folders and :class:`Article` objects.

        Adding again changes nothing; a changed article replaces its old self. A source that cannot
        be read is reported in ``failed`` and stops nothing; a path that does not exist raises
        InputError before anything is done. With ``prune``, articles that have vanished from a
        folder added earlier are removed.

        ``workers`` processes cut and embed, 0 for one a core; where RAY_ADDRESS is in the
        environment, that Ray cluster's. Without it this process does so, on all cores.
        """
        sources = [sources] if isinstance(sources, (str, PathLike, Article)) else list(sources)
        own = [source for source in sources if isinstance(source, Article)]
        found = ingestion.find_sources(str(s) for s in sources if not isinstance(s, Article))
        hired = hire(self.embedder, self._recipe, workers)
        with self._writing(create=True) as opened, hired as crew:
            report = ingestion.ingest(opened, crew, found, prune=prune, on_progress=on_progress)
            if own:
                report = _merged(report, ingestion.add_articles(opened, crew, own))
            if isinstance(self.embedder, SentenceTransformerEmbedder):
                embedding.prepare(self.embedder, self._graphs)
        return report

    def remove(self, article_ids: Iterable[str]) -> list[ArticleChange]:
        """Takes articles out. Raises InputError, and removes none, if an id is not there."""
        ids = list(dict.fromkeys(article_ids))
        with self._writing() as opened:
            found = opened.catalog.articles(ids)
            missing = [key for key in ids if key not in found]
            if missing:
                raise InputError(
                    f"There is no article {', '.join(missing)}; nothing was removed. "
                    "See the ids with: qa list"
                )
            opened.remove(ids)
        return [ArticleChange(key, found[key].title, "removed") for key in ids]

    def rebuild(self, *, embed: bool = False) -> int:
        """Builds the derived indexes anew from the catalog; returns the number of passages.

        Nothing is embedded again, unless ``embed``: then every article is cut and embedded with
        the configured model, which becomes the library's.
        """
        if not self.exists:
            raise LibraryError(
                f"There is no library in {self.place.name}. Add articles first: qa add FOLDER"
            )
        with self.place.errors(), self.place.writing():
            if embed:
                self._embed_anew()
            return store.rebuild(self.place)

    def _answerable(
        self, found: Iterable[tuple[str, Suggestion]], known: set[str]
    ) -> Iterator[str]:
        """Those that the reader answers from the very sentence they were made of."""
        trying = Assistant(self._retriever, self._extractive)
        for key, suggestion in found:
            if suggestion.question in known:
                continue
            known.add(suggestion.question)
            *_, answer = trying.stream(suggestion.question)
            if any(
                cited.article.id == key
                and cited.start < suggestion.end
                and suggestion.start < cited.end
                for cited in answer.citations
            ):
                yield suggestion.question

    # Objects, made when they are first needed

    @property
    def _store(self) -> Store:
        with self._opening:  # two threads must not hold two of them, one of which nobody renews
            if self._opened is None:
                self._opened = self._open_store()
            return self._opened

    def _open_store(self) -> Store:
        if not self.exists:
            raise LibraryError(
                f"There is no library in {self.place.name}. Add articles first: qa add FOLDER"
            )
        with self.place.errors():
            return Store(self.place)

    @cached_property
    def _retriever(self) -> Retriever:
        opened = self._matching_store()
        lexical = LexicalRetriever(opened.catalog, opened.lexical)
        dense = DenseRetriever(opened.catalog, opened, self.embedder)
        hybrid = HybridRetriever(opened.catalog, lexical, dense)
        return _FreshRetriever(self._matching_store, CollapsingRetriever(hybrid))

    @cached_property
    def _assistant(self) -> Assistant:
        settings = self.settings
        extractive = self._extractive
        generator: Generator = self._generator or extractive
        rewriter = None
        if self._language_model and not self._generator:
            from qa.generation.llm import LlmGenerator, LlmRewriter

            generator = LlmGenerator(self._language_model, extractive)
            rewriter = LlmRewriter(self._language_model)
        return Assistant(
            self._retriever,
            generator,
            rewriter=rewriter,
            policy=Policy(settings.support_check, settings.unsupported == "mark"),
            entailment=self._entailment,
        )

    @cached_property
    def _extractive(self) -> ExtractiveGenerator:
        return ExtractiveGenerator(self.statistics, MiniLMReader())

    @cached_property
    def _language_model(self) -> LanguageModel | None:
        """What writes the answers, where not the articles do."""
        if self._llm is None and self.settings.generator != "llm":
            return None
        from qa.generation import local, models

        if self._llm is not None:
            return models.LanguageModel(self._llm, timeout=self.settings.llm_timeout)
        return (
            local.load(self.settings) if self.settings.llm_file else models.endpoint(self.settings)
        )

    @cached_property
    def _entailment(self) -> Entailment | None:
        name = self.settings.support_model
        return CrossEncoderEntailment(name) if name else None

    def _matching_store(self) -> Store:
        """The store, if its vectors are the configured model's."""
        opened = self._store
        if opened.catalog.fingerprint != self.embedder.fingerprint:
            raise ModelMismatchError(
                f"The library {self.place.name} was embedded with {opened.catalog.fingerprint}, "
                f"and the configured model is {self.embedder.fingerprint}. Set QA_EMBEDDING_MODEL "
                "to the former, or embed the library with the latter: qa rebuild --embed"
            )
        return opened

    @contextmanager
    def _writing(self, *, create: bool = False) -> Iterator[Store]:
        if not create and not self.exists:
            self._store  # noqa: B018  raises with the right words
        fingerprint = self.embedder.fingerprint if create else ""
        with self.place.errors(), self.place.writing():
            if not self.exists:
                self.place.create(fingerprint)
            opened = self._matching_store() if create else self._store
            with opened.reading():  # sees what another writer has left
                pass
            opened.catalog.upgrade()
            self.place.claim(opened.catalog)
            opened.sweep()
            yield opened

    def _embed_anew(self) -> None:
        """Caches vectors of the configured model for all articles, then switches to them."""
        catalog = self.place.catalog()
        try:
            ids = [listing.id for listing in catalog.listings()]
            records: list[ArticleRecord] = []
            for at in range(0, len(ids), REEMBED_ARTICLES):
                texts: dict[bytes, str] = {}
                for article in catalog.articles(ids[at : at + REEMBED_ARTICLES]).values():
                    record, own = ingestion.prepare(article, "", "", self.embedder)
                    records.append(record)
                    texts |= own
                ingestion.embed_missing(catalog, self.embedder, texts)
            catalog.reset_model(self.embedder.fingerprint, records)
            catalog.drop_unused_embeddings()
        finally:
            catalog.close()

    def _check_model(self) -> Check:
        try:
            length = len(self.embedder.embed_query("a test"))
        except ModelError as error:
            return Check("embedding model", False, str(error), "See the detail.")
        run = embedding.runner(self.embedder, self._graphs)
        detail = f"{self.embedder.fingerprint}, {length} dimensions, {run}"
        return Check("embedding model", True, detail)

    def _check_answering(self) -> list[Check]:
        """Whether the language model answers, and how fast; the model of the support check."""
        checks = []
        if self._llm is not None or self.settings.generator == "llm":
            checks.append(self._check_language_model())
        if self._entailment:
            try:
                self._entailment("A test.", "A test.")
                checks.append(Check("support model", True, str(self.settings.support_model)))
            except ModelError as error:
                checks.append(Check("support model", False, str(error), "See the detail."))
        return checks

    def _check_language_model(self) -> Check:
        from qa import prompts

        try:
            model = self._language_model
            assert model is not None  # one of the two conditions of the caller holds
            started = time.perf_counter()
            first, words = 0.0, ""
            for piece in model.stream(prompts.probe()):
                first = first or (time.perf_counter() - started if piece else 0.0)
                words += piece
                if len(words) > PROBED:
                    break
        except (ModelError, SettingsError) as error:
            return Check("language model", False, str(error), "See the detail.")
        pace = len(words.split()) / max(time.perf_counter() - started - first, 0.01)
        detail = f"{model.name} answers: first word after {first:.1f} s, then {pace:.0f} words/s"
        if not words.strip():
            detail = f"{model.name} answers with nothing"
        return Check("language model", bool(words.strip()), detail, "Choose another QA_LLM_MODEL.")

    def _renew(self) -> None:
        """Lets go of a state of the indexes that is not the newest."""
        try:
            if self._opened is not None:
                with self._opened.reading():
                    pass
        except LibraryError:  # which checking will find
            self.close()

    def _check_fingerprint(self, where: Place) -> Check:
        catalog = where.catalog()
        try:
            stored, configured = catalog.fingerprint, self.embedder.fingerprint
        finally:
            catalog.close()
        if stored == configured:
            return Check("library and model", True, "the library was embedded with this model")
        detail = f"the library was embedded with {stored}, the configured model is {configured}"
        return Check("library and model", False, detail, "Run: qa rebuild --embed")


class _FreshRetriever:
    """Retrieves from one state of the store, the newest; holds it no longer than that."""

    def __init__(self, matching_store: Callable[[], Store], inner: Retriever) -> None:
        self._matching_store = matching_store
        self._inner = inner

    def retrieve(self, query: str, k: int, filters: Filters) -> list[Hit]:
        opened = self._matching_store()  # another process may have changed the model, too
        with opened.place.errors():
            before = opened.seen
            try:
                return self._retrieve(opened, query, k, filters)
            except LibraryError:
                # Has an index that was built anew taken the place of the one that was asked?
                ends = time.monotonic() + SWAPPING
                while opened.catalog.generation == before:
                    if time.monotonic() > ends:
                        raise
                    time.sleep(SWAPPING / 20)
            return self._retrieve(opened, query, k, filters)

    def _retrieve(self, opened: Store, query: str, k: int, filters: Filters) -> list[Hit]:
        with opened.reading():
            return self._inner.retrieve(query, k, filters)


def _checked(text: str, what: str) -> str:
    """A question or query that can be used, without outer white space.

    JSON can bring halves of surrogate pairs, which no model reads: they become question marks.
    """
    stripped = text.encode("utf-8", "replace").decode("utf-8").strip()
    if not stripped:
        raise InputError(f"The {what} is empty. Type some words.")
    if len(stripped) > QUESTION_CHARACTERS:
        raise InputError(
            f"The {what} has {len(stripped):,} characters; at most {QUESTION_CHARACTERS:,} can be "
            "used. Shorten it."
        )
    return stripped


def _merged(first: IngestReport, second: IngestReport) -> IngestReport:
    return IngestReport(
        first.articles + second.articles,
        first.failed + second.failed,
        first.vanished + second.vanished,
        first.passages_embedded + second.passages_embedded,
    )
