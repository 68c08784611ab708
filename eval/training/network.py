"""The reader in torch, to train and to export it; ``qa/reading.py`` runs the exported graph."""

from __future__ import annotations

from pathlib import Path

import torch
from transformers import BertModel
from transformers.utils import logging

from qa.reading import SCALE

ATTENTION = "eager"  # on two cores as fast as the fused one, and faster to train


class Layers(BertModel):  # type: ignore[no-untyped-call]
    """MiniLM without the pooling that its file holds and nobody uses."""

    _keys_to_ignore_on_load_unexpected = [r"pooler", r"position_ids"]  # noqa: RUF012


class Reader(torch.nn.Module):
    """MiniLM of that folder with two scores on top: answer (each token), nothing (the first)."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        logging.disable_progress_bar()  # type: ignore[no-untyped-call]
        self.bert = Layers.from_pretrained(
            folder,
            add_pooling_layer=False,
            attn_implementation=ATTENTION,
            use_safetensors=True,
            local_files_only=True,
            hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
        )
        self.head = torch.nn.Linear(self.bert.config.hidden_size, 2)

    def forward(
        self, ids: torch.Tensor, kinds: torch.Tensor, mask: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Shapes (parts, tokens) each; gives (parts, tokens) and (parts,)."""
        states = self.bert(input_ids=ids, token_type_ids=kinds, attention_mask=mask)
        scores = self.head(states.last_hidden_state.float())
        return scores[..., 0], scores[:, 0, 1]


def packed(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """What is stored: matrices as int8 with one scale a row; no embeddings of words."""
    stored = {}
    for name, value in state.items():
        if name.startswith("bert.embeddings"):
            continue
        if name.startswith("bert") and value.dim() == 2:
            scale = value.abs().amax(1).clamp_min(1e-9) / 127
            stored[name] = torch.round(value / scale[:, None]).to(torch.int8)
            stored[name + SCALE] = scale.float()
        else:
            stored[name] = value.float().contiguous()
    return stored


def unpacked(stored: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The reverse of :func:`packed`."""
    return {
        name: value.float() * stored[name + SCALE][:, None] if name + SCALE in stored else value
        for name, value in stored.items()
        if not name.endswith(SCALE)
    }
