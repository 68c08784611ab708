"""Markdown with YAML front matter; the text stays Markdown, so that offsets hold."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qa.errors import UnreadableError
from qa.loading.fields import file_article, with_aliases
from qa.loading.reading import read_text, require_text, strip_blank_lines
from qa.types import Article

if TYPE_CHECKING:
    import yaml

_HOW_TO_MEND = "mend it, or remove the block between the --- lines"
# Read as written, so that "007", "No" or a date stay what the author typed.
_AS_WRITTEN = {
    *("id", "title", "publisher", "source", "author", "published", "date", "updated"),
    *("language", "url"),
}


def read(path: Path) -> Article:
    fields, body = split_front_matter(read_text(path))
    text = strip_blank_lines(body)
    if not text:
        raise UnreadableError("there is no text below the front matter")
    return file_article(path, with_aliases(fields), require_text(text), first_heading(text))


def split_front_matter(text: str) -> tuple[dict[str, object], str]:
    """Front matter and the text below it.

    Broken front matter is refused: taken as text, its date and title would be lost without a word.
    A ``---`` that is only a rule at the top of the text is left alone.
    """
    from frontmatter.default_handlers import YAMLHandler

    handler = YAMLHandler()
    if not handler.detect(text):
        return {}, text
    try:
        block, body = handler.split(text)
    except ValueError:
        if _looks_like_fields(text.partition("\n")[2]):
            raise UnreadableError(f"front matter has no closing --- line; {_HOW_TO_MEND}") from None
        return {}, text
    fields = _yaml_fields(block)
    return (fields, body) if fields is not None else ({}, text)


def first_heading(text: str) -> str:
    """The first ``# heading`` outside code blocks, else empty."""
    fenced = False
    for line in text.split("\n"):
        if line.lstrip().startswith(("```", "~~~")):
            fenced = not fenced
        elif not fenced and (match := re.fullmatch(r" {0,3}#[ \t]+(.+?)[ \t]*#*[ \t]*", line)):
            return match[1]
    return ""


def _looks_like_fields(block: str) -> bool:
    """It begins with ``name:``, perhaps below comments; prose with a colon in it does not."""
    return bool(re.match(r"""(?:\s*#[^\n]*\n)*\s*["']?[^\W\d][\w.-]*["']?\s*:(\s|$)""", block))


def _yaml_fields(block: str) -> dict[str, object] | None:
    """The fields, or None where the block is text between two rules."""
    import yaml

    if block.strip() and not _looks_like_fields(block):
        return None
    try:
        typed = _load(block, _typed_loader())
        written = _load(block, yaml.BaseLoader)
    except (yaml.YAMLError, ValueError, RecursionError, TypeError) as error:
        raise UnreadableError(f"broken front matter ({_brief(error)}); {_HOW_TO_MEND}") from error
    if not isinstance(typed, dict):
        return None if typed is not None else {}
    raw = written if isinstance(written, dict) else {}
    return {str(name): _chosen(str(name), value, raw.get(name)) for name, value in typed.items()}


def _chosen(name: str, typed: object, written: object) -> object:
    is_scalar = isinstance(written, str) and not isinstance(typed, dict | list)
    if typed is not None and is_scalar and name.strip().lower() in _AS_WRITTEN:
        return written
    return typed


def _load(block: str, loader: Any) -> object:
    from frontmatter.default_handlers import YAMLHandler

    loaded: object = YAMLHandler().load(block, Loader=loader)
    return loaded


def _typed_loader() -> type[yaml.SafeLoader]:
    """Safe YAML that leaves dates as they are written: an impossible one is no broken file."""
    import yaml

    resolvers = {
        first: [(tag, form) for tag, form in pairs if not tag.endswith(":timestamp")]
        for first, pairs in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    return type("Loader", (yaml.SafeLoader,), {"yaml_implicit_resolvers": resolvers})


def _brief(error: Exception) -> str:
    """One line of what the YAML parser says, with the line counted from the top of the file."""
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or str(error).split("\n")[0] or type(error).__name__
    return f"line {mark.line + 1}: {problem}" if mark else str(problem)
