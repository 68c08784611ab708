"""An optional vote of the support check: a sentence-transformers CrossEncoder of entailment."""

from __future__ import annotations

import threading
from functools import cached_property
from typing import TYPE_CHECKING, Any

from qa.errors import ModelError

if TYPE_CHECKING:
    from sentence_transformers import CrossEncoder


class CrossEncoderEntailment:
    """The probability, 0 to 1, that a quote entails a sentence.

    Any model that is stored as safetensors: one with a label whose name begins with "entail", or
    with one output, taken as the log odds. Loaded at first use; a Hugging Face id is downloaded
    once. Raises :class:`qa.errors.ModelError` where it is missing or is no such model.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._lock = threading.Lock()

    def __call__(self, sentence: str, quote: str) -> float:
        import numpy as np
        from torch.nn import Identity

        with self._lock:
            outputs = self._model.predict([(quote, sentence)], activation_fn=Identity())
        logits = np.asarray(outputs, dtype=np.float64).reshape(-1)
        if len(logits) == 1:
            return float(1 / (1 + np.exp(-logits[0])))
        shares = np.exp(logits - logits.max())
        return float(shares[self._label] / shares.sum())

    @cached_property
    def _label(self) -> int:
        config: Any = self._model.config
        names = {int(key): str(name) for key, name in config.id2label.items()}
        for number, name in names.items():
            if name.lower().startswith("entail"):
                return number
        raise ModelError(
            f"The model {self.name} is none of entailment: its labels are "
            f"{', '.join(names.values())}. Choose another, or remove QA_SUPPORT_MODEL."
        )

    @cached_property
    def _model(self) -> CrossEncoder:
        from sentence_transformers import CrossEncoder

        try:
            model: CrossEncoder = CrossEncoder(
                self.name, device="cpu", model_kwargs={"use_safetensors": True}
            )
        except Exception as error:
            lines = str(error).strip().splitlines() or [type(error).__name__]
            raise ModelError(
                f"The model {self.name} for the support check cannot be loaded: "
                f"{lines[0].rstrip('.')}. Check QA_SUPPORT_MODEL, or remove it."
            ) from error
        return model
