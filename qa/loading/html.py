"""Saved web pages: trafilatura finds the article, its blocks become paragraphs of Markdown.

Headings are ``## ``, list items ``- ``, tables ``| a | b |``; bold, italics and links leave only
their words, so that quotes read as on the page.
"""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qa.errors import UnreadableError
from qa.loading.fields import file_article
from qa.loading.html_dates import stated_dates
from qa.loading.reading import decode, read_bytes, require_text, unix_lines
from qa.types import Article

if TYPE_CHECKING:
    from lxml.html import HtmlElement

# Nearly all of a larger page is inlined pictures and scripts, or it is no article.
MAX_PAGE_BYTES = 20_000_000
# Trafilatura has no time limit of its own. Measured on two slow cores: 10,000 paragraphs take half
# a second, 50,000 ten. Inline elements cost by the square of their number: 40,000 in one paragraph
# take two minutes, spread over many 25 seconds. Within these bounds a page takes ten at most.
MAX_ELEMENTS = 50_000
MAX_INLINE = 20_000
MAX_INLINE_SQUARES = 50_000_000  # Summed over paragraphs: one of 7,000 links, or 50 of 1,000.

_BLOCKS = {"head", "p", "list", "table", "quote", "item", "row"}
_INLINE = {
    *("a", "abbr", "b", "bdi", "bdo", "big", "cite", "code", "data", "del", "dfn", "em", "font"),
    *("i", "ins", "kbd", "mark", "q", "s", "samp", "small", "span", "strong", "sub", "sup"),
    *("time", "tt", "u", "var"),
}


def read(path: Path) -> Article:
    tree = parse(read_bytes(path, MAX_PAGE_BYTES))
    published, updated = stated_dates(tree)
    page = _extract(tree)
    paragraphs = list(blocks(page.body))
    text = "\n\n".join(paragraphs)
    if not text.strip():
        raise UnreadableError("no article text was found in the page; is it only menus or scripts?")
    fields = {
        "url": _address(tree),
        "publisher": page.sitename,
        "author": page.author,
        "published": published,
        "updated": updated,
        "language": tree.get("lang"),
    }
    # Where the article begins with its headline, that is its title, not what the site adds to it.
    headline = paragraphs[0][2:] if paragraphs[0].startswith("# ") else ""
    return file_article(path, fields, text, headline or page.title or "")


def parse(data: bytes) -> HtmlElement:
    """The tree of a page; a page that is too large to take apart in seconds is refused."""
    from lxml.etree import LxmlError
    from lxml.html import HTMLParser, document_fromstring

    declared = re.search(rb"""charset=["']?([\w-]+)""", data[:4096])
    text = require_text(unix_lines(decode(data, declared[1].decode() if declared else None)))
    # Encoded anew, so that neither the page nor an XML declaration names another encoding.
    try:
        parser = HTMLParser(encoding="utf-8", remove_comments=True, remove_pis=True)
        tree = document_fromstring(text.encode(), parser=parser)
    except (LxmlError, ValueError, AssertionError) as error:
        raise UnreadableError(f"not an HTML page ({error})") from error
    _require_size(tree)
    return tree


def _require_size(tree: HtmlElement) -> None:
    elements = sum(1 for _ in tree.iter())
    inline = Counter(_paragraph(element) for element in tree.iter(*_INLINE))
    squares = sum(number**2 for number in inline.values())
    within = elements <= MAX_ELEMENTS and inline.total() <= MAX_INLINE
    if not within or squares > MAX_INLINE_SQUARES:
        reason = f"the page is too large to take apart ({elements:,} HTML elements)"
        raise UnreadableError(f"{reason}; save only the article, or its text as .txt")


def _paragraph(inline: Any) -> Any:
    return next(a for a in inline.iterancestors() if a.tag not in _INLINE)


def _address(tree: HtmlElement) -> str | None:
    """The page's own address as it states it; trafilatura would also take the site's."""
    canonical: list[str] = tree.xpath("//link[@rel='canonical']/@href")
    shared: list[str] = tree.xpath("//meta[@property='og:url']/@content")
    return next(iter(canonical + shared), None)


def _extract(tree: HtmlElement) -> Any:
    """Trafilatura's document: body, title, sitename, author. Its guessed date is not used."""
    from trafilatura import bare_extraction

    logging.getLogger("trafilatura").setLevel(logging.CRITICAL)
    try:
        page = bare_extraction(
            tree,
            include_comments=False,
            include_formatting=False,
            with_metadata=True,
            date_extraction_params={"extensive_search": False, "original_date": True},
        )
    except Exception as error:  # Pages of all kinds make it fail in all kinds of ways.
        raise UnreadableError(f"the page could not be taken apart ({error})") from error
    if page is None:
        raise UnreadableError("no article text was found in the page; is it only menus or scripts?")
    return page


def blocks(element: Any) -> Iterator[str]:
    """The paragraphs, headings, lists and tables of an extracted body, in order."""
    inline = [element.text or ""]
    for child in element:
        if child.tag in _BLOCKS:
            yield from _flushed(inline)
            yield from _block(child)
        else:
            inline.append(_words(child))
        inline.append(child.tail or "")
    yield from _flushed(inline)


def _block(element: Any) -> Iterator[str]:
    if element.tag == "head":
        words = " ".join(_words(element).split())
        yield from [f"{'#' * _level(element)} {words}"] if words else []
    elif element.tag == "list":
        yield from filter(None, ["\n".join(_items(element))])
    elif element.tag == "table":
        yield from filter(None, ["\n".join(_rows(element))])
    else:
        yield from blocks(element)


def _level(heading: Any) -> int:
    level = (heading.get("rend") or "h2")[1:]
    return min(int(level), 6) if level.isdecimal() else 2


def _items(element: Any, indent: str = "") -> Iterator[str]:
    ordered = element.get("rend") == "ol"
    for number, item in enumerate((c for c in element if c.tag == "item"), 1):
        nested = [child for child in item.iter("list") if child is not item]
        words = " ".join(_words(item, without="list").split())
        if words:
            yield f"{indent}{f'{number}.' if ordered else '-'} {words}"
        for child in nested:
            if _parent_item(child) is item:
                yield from _items(child, indent + "  ")


def _parent_item(element: Any) -> Any:
    return next(element.iterancestors("item"), None)


def _rows(table: Any) -> Iterator[str]:
    rows = [[" ".join(_words(cell).split()) for cell in row] for row in table.iter("row")]
    rows = [row for row in rows if any(row)]
    heads = [cell.get("role") for cell in next(table.iter("row"), [])]
    for number, row in enumerate(rows):
        yield f"| {' | '.join(row)} |"
        if number == 0 and "head" in heads:
            yield "|" + " --- |" * len(row)


def _words(element: Any, without: str = "") -> str:
    """The words inside, a line break where the page has one, a space between blocks."""
    if element.tag == "lb":
        return "\n"
    inside = [element.text or ""]
    for child in element:
        if child.tag != without:
            gap = " " if child.tag in _BLOCKS else ""
            inside += [gap, _words(child, without), gap]
        inside.append(child.tail or "")
    return "".join(inside)


def _flushed(inline: list[str]) -> list[str]:
    """The paragraph gathered so far, if there is one, and an empty gathering."""
    lines = [" ".join(line.split()) for line in "".join(inline).split("\n")]
    inline.clear()
    text = re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()
    return [text] if text else []
