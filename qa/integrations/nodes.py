"""Hits as LlamaIndex's nodes, and any retriever's nodes as hits."""

from __future__ import annotations

from collections.abc import Mapping

from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.schema import (
    BaseNode,
    ImageNode,
    MetadataMode,
    NodeRelationship,
    RelatedNodeInfo,
    TextNode,
)
from pydantic import PrivateAttr

from qa.integrations import passages
from qa.types import Article, Filters, Hit, Passage

SHOWN = {"title", "publisher", "published"}  # of the metadata, to a language model


class PassageNode(TextNode):
    """A passage as a node; it remembers its hit as long as it stays in this process."""

    _hit: Hit | None = PrivateAttr(default=None)


def node_of(hit: Hit) -> PassageNode:
    """A hit as a node: offsets into its article, which is the node's source."""
    passage, article = hit.passage, hit.article
    metadata = passages.metadata(hit)
    hidden = [key for key in metadata if key not in SHOWN or metadata[key] is None]
    node = PassageNode(
        id_=passage.id,
        text=passage.text,
        start_char_idx=passage.start,
        end_char_idx=passage.end,
        excluded_llm_metadata_keys=hidden,
        excluded_embed_metadata_keys=hidden,
        relationships={NodeRelationship.SOURCE: RelatedNodeInfo(node_id=article.id)},
    )
    node.metadata = metadata
    node._hit = hit
    return node


class NodeRetriever:
    """Any LlamaIndex retriever as ours; how many nodes it finds, and by what filter, is its affair.

    A node is cited in its document where that is known and holds the node's words, else by itself;
    one without text is left out. Our own nodes are again the hits that they were.
    """

    def __init__(self, inner: BaseRetriever, documents: Mapping[str, BaseNode]) -> None:
        self._inner = inner
        self._documents = documents
        self.words = passages.Words()
        for key, document in documents.items():
            self.words.learn(key, _text(document))

    def retrieve(self, query: str, k: int, filters: Filters) -> list[Hit]:
        del filters
        nodes = [scored.node for scored in self._inner.retrieve(query)]
        nodes = [node for node in nodes if _text(node).strip()]
        if not self._documents:
            for node in nodes:
                self.words.learn(node.node_id, _text(node))
        return [self._hit(query, node, rank) for rank, node in enumerate(nodes[:k], start=1)]

    def _hit(self, query: str, node: BaseNode, rank: int) -> Hit:
        if isinstance(node, PassageNode) and node._hit:
            return node._hit
        article, start = self._place(node)
        end = start + len(_text(node))
        passage = Passage(
            node.node_id,
            article.id,
            start,
            end,
            article.text[start:end],
            passages.heading(node.metadata),
        )
        scores = {"lexical": self.words.bm25(query, passage.text)}
        return Hit(passage, article, 1 / rank, {"retriever": rank}, scores)

    def _place(self, node: BaseNode) -> tuple[Article, int]:
        """The article that a node stands in, and where."""
        text, document = _text(node), self._documents.get(node.ref_doc_id or "")
        if document is not None:
            whole = _text(document)
            start = _find(text, whole, getattr(node, "start_char_idx", None))
            if start is not None:
                return passages.article(document.node_id, whole, document.metadata), start
        return passages.article(node.node_id, text, node.metadata), 0


def _find(text: str, whole: str, told: int | None) -> int | None:
    """Where a text stands: at the place that is told, or at the only one there is."""
    if told is not None and told >= 0 and whole.startswith(text, told):
        return told
    return whole.find(text) if whole.count(text) == 1 else None


def _text(node: BaseNode) -> str:
    return "" if isinstance(node, ImageNode) else node.get_content(MetadataMode.NONE)
