"""Writers of answers: `extractive` by default, `llm` where a language model is configured."""
