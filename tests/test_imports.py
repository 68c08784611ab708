"""What importing costs, what is public, and which layer may know which."""

from __future__ import annotations

import subprocess
import sys

import pytest

import qa

HEAVY = set(
    "torch chromadb llama_index gradio sentence_transformers transformers sqlalchemy psycopg "
    "alembic ray mcp langchain_core opentelemetry prometheus_client structlog".split()
)


@pytest.mark.parametrize(
    "code",
    ["import qa", "import qa.web", "from qa import cli; cli.run(['--help'])"],
    ids=["qa", "qa.web", "qa --help"],
)
def test_nothing_heavy_is_imported(code: str) -> None:
    report = f"{code}; import sys; print('MODULES', *{{m.partition('.')[0] for m in sys.modules}})"
    command = [sys.executable, "-c", report]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    loaded = set(done.stdout.rpartition("MODULES")[2].split())
    assert "qa" in loaded
    assert loaded & HEAVY == set()


def test_every_public_name_is_there() -> None:
    for name in qa.__all__:
        assert getattr(qa, name).__name__ == name
    assert {"Library", "Article", "Answer", "Citation", "Filters", "QaError"} <= set(qa.__all__)
    with pytest.raises(AttributeError):
        _ = qa.no_such_name


def test_every_error_is_drawn_in_the_tree() -> None:
    from qa import errors

    drawn = errors.__doc__ or ""
    classes = [v for v in vars(errors).values() if isinstance(v, type)]
    assert all(issubclass(each, qa.QaError) for each in classes)
    assert all(each.__name__ in drawn for each in classes)
