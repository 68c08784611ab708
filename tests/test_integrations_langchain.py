"""The library in a LangChain chain."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from datetime import date
from typing import Any

from langchain_core.documents import Document
from langchain_core.language_models import FakeListChatModel
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import RunnableLambda, RunnablePassthrough

from qa.integrations import as_langchain_retriever
from qa.library import Library
from qa.types import Filters


def test_documents_are_passages_with_their_place_in_the_article(library: Library) -> None:
    retriever = library.as_langchain_retriever(k=3)
    assert isinstance(retriever, BaseRetriever)
    documents = retriever.invoke("When did the harbour wall reopen?")
    assert documents
    assert len(documents) <= 3
    hits = library.search("When did the harbour wall reopen?", 3)
    assert [d.id for d in documents] == [hit.passage.id for hit in hits]
    for document in documents:
        told = document.metadata
        article = library.article(told["article_id"])
        assert article.text[told["start"] : told["end"]] == document.page_content
        assert (told["title"], told["published"]) == (article.title, article.published)
        assert isinstance(told["score"], float)


def test_it_answers_the_same_without_blocking_the_loop(library: Library) -> None:
    retriever = as_langchain_retriever(library, 2)

    async def both() -> list[list[Document]]:
        return await asyncio.gather(*(retriever.ainvoke(q) for q in ("ferry", "library hours")))

    found = asyncio.run(both())
    assert found == retriever.batch(["ferry", "library hours"])
    assert all(found)


def test_filters_hold(library: Library) -> None:
    late = library.as_langchain_retriever(filters=Filters(after=date(2031, 5, 1)))
    assert {d.metadata["article_id"] for d in late.invoke("wall")} == {"library"}


def test_it_is_a_link_of_a_chain(library: Library) -> None:
    prompts: list[str] = []

    def shown(documents: list[Document]) -> str:
        return "\n".join(f"{d.metadata['title']}: {d.page_content}" for d in documents)

    def kept(prompt: Any) -> Any:
        prompts.append(str(prompt))
        return prompt

    chain = (
        {
            "context": library.as_langchain_retriever(k=1) | shown,
            "question": RunnablePassthrough(),
        }
        | ChatPromptTemplate.from_template("From {context}\nanswer: {question}")
        | RunnableLambda(kept)
        | FakeListChatModel(responses=["It cost 4.2 million crowns."])
        | StrOutputParser()
    )
    assert chain.invoke("What did the harbour wall cost?") == "It cost 4.2 million crowns."
    assert "Harbour wall reopens: The harbour wall at Tellin" in prompts[0]


def test_without_the_package_the_error_says_how_to_install_it() -> None:
    program = """
import sys
sys.modules["langchain_core"] = None
import qa
try:
    qa.Library.open("nowhere").as_langchain_retriever()
except qa.QaError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert "pip install 'cited-qa[langchain]'" in done.stdout
