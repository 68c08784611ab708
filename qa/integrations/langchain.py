"""The library as a retriever of LangChain."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever

from qa.integrations import passages
from qa.types import Filters

if TYPE_CHECKING:
    from langchain_core.callbacks import CallbackManagerForRetrieverRun

    from qa.library import Library


class LibraryRetriever(BaseRetriever):
    """The library for LangChain's chains.

    The metadata of a document hold its ``score``, and its place in the article's text: ``start``
    and ``end``. Asynchronous calls run in a thread.
    """

    library: Any  # a Library; its module is not loaded from here
    k: int = 10
    filters: Filters | None = None

    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun
    ) -> list[Document]:
        del run_manager
        return [
            Document(
                hit.passage.text,
                id=hit.passage.id,
                metadata={**passages.metadata(hit), "score": hit.score},
            )
            for hit in self.library.search(query, self.k, self.filters)
        ]


def as_langchain_retriever(
    library: Library, k: int = 10, filters: Filters | None = None
) -> LibraryRetriever:
    """A LangChain retriever of the ``k`` best passages within ``filters``."""
    return LibraryRetriever(library=library, k=k, filters=filters)
