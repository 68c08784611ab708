"""The library inside other programs: LlamaIndex, LangChain, MCP. Nothing heavy until it is used.

::

    from qa.integrations import answerer, as_langchain_retriever, as_llama_index_retriever

Where a package is missing, using its name raises :class:`qa.errors.SettingsError` with the
``pip install`` that brings it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from qa.errors import SettingsError

if TYPE_CHECKING:
    from qa.integrations.langchain import as_langchain_retriever as as_langchain_retriever
    from qa.integrations.llama_index import Answerer as Answerer
    from qa.integrations.llama_index import answerer as answerer
    from qa.integrations.llama_index import as_llama_index_retriever as as_llama_index_retriever
    from qa.integrations.mcp import build_mcp_server as build_mcp_server
    from qa.integrations.serving import serve_mcp as serve_mcp

_HOME_OF = {
    "Answerer": "llama_index",
    "answerer": "llama_index",
    "as_langchain_retriever": "langchain",
    "as_llama_index_retriever": "llama_index",
    "build_mcp_server": "mcp",
    "serve_mcp": "serving",
}
_EXTRA_OF = {"langchain_core": "langchain", "mcp": "mcp", "mcp_types": "mcp"}

__all__ = sorted(_HOME_OF)  # noqa: PLE0605


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return getattr(import_module(f"{__name__}.{_HOME_OF[name]}"), name)
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing not in _EXTRA_OF:
            raise
        raise SettingsError(
            f"{name} needs {missing}, which is not installed. "
            f"Install it: pip install 'cited-qa[{_EXTRA_OF[missing]}]'"
        ) from error


def __dir__() -> list[str]:
    return list(__all__)
