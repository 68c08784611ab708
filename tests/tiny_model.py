"""A sentence-transformers model small enough to make in a test: random weights, real files."""

from __future__ import annotations

from pathlib import Path

LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789.,:'?!-"


def make(folder: Path, *, prompts: bool = False, seed: int = 0) -> Path:
    """Saves a one-layer BERT over letters, 32 dimensions, 128 tokens, as safetensors."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
    from transformers import BertConfig, BertModel, BertTokenizer

    source = folder / "transformer"
    source.mkdir(parents=True)
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    words += [*LETTERS, *(f"##{letter}" for letter in LETTERS)]
    BertTokenizer(vocab={word: n for n, word in enumerate(words)}).save_pretrained(source)
    torch.manual_seed(seed)
    config = BertConfig(
        vocab_size=len(words),
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=128,
    )
    BertModel(config).save_pretrained(source)
    transformer = Transformer(str(source), max_seq_length=128)
    model = SentenceTransformer(
        modules=[transformer, Pooling(32)],
        device="cpu",
        prompts={"query": "ask: ", "document": "text: "} if prompts else None,
    )
    model.save(str(folder / "model"))
    return folder / "model"
