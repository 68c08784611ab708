"""The dates that a web page states about itself, as it writes them.

Only where it says so in the words made for it: JSON-LD, then meta tags, then marked-up dates. Dates
in addresses, copyright lines, pictures or sentences say nothing about when it was published, and
where two places of one kind disagree it is unknown.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from qa.loading.dates import parse_date

if TYPE_CHECKING:
    from lxml.html import HtmlElement

_PUBLISHED_META = (
    *("article:published_time", "og:article:published_time", "og:published_time"),
    *("datepublished", "article:published", "article.published", "published_time"),
    *("citation_publication_date", "citation_date", "dc.date.issued", "dcterms.issued"),
    *("dc.date", "dcterms.date", "parsely-pub-date", "sailthru.date", "pubdate"),
    *("publishdate", "publish-date", "publish_date", "publication_date", "date"),
)
_UPDATED_META = (
    *("article:modified_time", "og:article:modified_time", "og:updated_time", "datemodified"),
    *("dc.date.modified", "dcterms.modified", "article.updated", "last-modified"),
)
_PUBLISHED_CLASSES = {"dt-published", "entry-date", "post-date", "article-date", "published"}
_PUBLISHED_CLASSES |= {"publish-date", "publication-date", "pubdate", "date-published"}
_UPDATED_CLASSES = {"dt-updated", "date-modified", "updated", "modified"}
_BYLINE_CLASSES = {"byline", "dateline", "entry-meta", "post-meta", "article-meta"}
# Other articles, readers' comments and the frame of the site carry dates of their own.
_ELSEWHERE = (
    "ancestor::nav or ancestor::aside or ancestor::footer or ancestor::*["
    + " or ".join(f"contains(@class, '{w}')" for w in ("comment", "related", "sidebar", "footer"))
    + "]"
)


def stated_dates(tree: HtmlElement) -> tuple[str | None, str | None]:
    """Published and updated as written; a written date that no one can read is kept as it is."""
    nodes = _article_nodes(tree)
    published = [
        _values(node.get("datePublished") for node in nodes),
        _meta(tree, _PUBLISHED_META),
        _marked(tree, "datePublished", _PUBLISHED_CLASSES),
        _byline(tree),
    ]
    updated = [
        _values(node.get("dateModified") for node in nodes),
        _meta(tree, _UPDATED_META),
        _marked(tree, "dateModified", _UPDATED_CLASSES),
    ]
    return _first_agreed(published), _first_agreed(updated)


def _first_agreed(places: Iterable[list[str]]) -> str | None:
    """What the first place says that says anything; None where it contradicts itself."""
    said = next((values for values in places if values), [])
    readings = {parse_date(value) or value for value in said}
    return said[0] if len(readings) == 1 else None


def _values(found: Iterable[object]) -> list[str]:
    return [value.strip() for value in found if isinstance(value, str) and value.strip()]


def _article_nodes(tree: HtmlElement) -> list[dict[str, Any]]:
    """JSON-LD about the page's article: its own node, of several the one with its address."""
    scripts = tree.xpath("//script[@type='application/ld+json']")
    nodes = [node for script in scripts for node in _nodes(_json(script.text_content()))]
    articles = [n for n in nodes if _is_type(n, ("Article", "Posting", "Report"))]
    if len(articles) > 1:
        addresses = set(tree.xpath("//link[@rel='canonical']/@href"))
        articles = [n for n in articles if addresses & _addresses(n)] or articles
    return articles or [n for n in nodes if _is_type(n, ("WebPage",))]


def _json(text: str) -> object:
    try:
        loaded: object = json.loads(text, strict=False)
    except (ValueError, RecursionError):
        return None
    return loaded


def _nodes(value: object) -> Iterator[dict[str, Any]]:
    """Top-level nodes only: nested ones, as in lists of links, are about other pages."""
    for node in value if isinstance(value, list) else [value]:
        if isinstance(node, dict):
            yield node
            if isinstance(node.get("@graph"), list):
                yield from (inner for inner in node["@graph"] if isinstance(inner, dict))


def _is_type(node: dict[str, Any], endings: tuple[str, ...]) -> bool:
    types = node.get("@type")
    named = types if isinstance(types, list) else [types]
    return any(isinstance(name, str) and name.endswith(endings) for name in named)


def _addresses(node: dict[str, Any]) -> set[str]:
    page = node.get("mainEntityOfPage")
    inner = page.get("@id") if isinstance(page, dict) else page
    return {a for a in (node.get("url"), node.get("@id"), inner) if isinstance(a, str)}


def _meta(tree: HtmlElement, names: tuple[str, ...]) -> list[str]:
    """The values of the first of these names that the page uses."""
    said: dict[str, list[str]] = {}
    for tag in tree.xpath("//meta[@content]"):
        for attribute in ("property", "name", "itemprop"):
            said.setdefault((tag.get(attribute) or "").lower(), []).append(tag.get("content"))
    return next((found for name in names if (found := _values(said.get(name, [])))), [])


def _marked(tree: HtmlElement, itemprop: str, classes: set[str]) -> list[str]:
    """Dates in elements marked by microdata, by ``pubdate`` or by a customary class."""
    marked = tree.xpath(f"//*[@itemprop='{itemprop}'][not({_ELSEWHERE})]")
    if itemprop == "datePublished":
        marked = marked or tree.xpath(f"//time[@pubdate][not({_ELSEWHERE})]")
    if not marked:
        dated = tree.xpath(f"//*[self::time or self::abbr][@class][not({_ELSEWHERE})]")
        marked = [element for element in dated if classes & set(element.get("class").split())]
    return _values(map(_date_of, marked))


def _date_of(element: Any) -> str:
    given = element.get("datetime") or element.get("content") or element.get("title")
    return str(given or " ".join(element.text_content().split()))


def _byline(tree: HtmlElement) -> list[str]:
    """``<time>`` in the head or the byline of the article, unless it tells of a change."""
    times = tree.xpath(f"//time[@datetime][not({_ELSEWHERE})]")
    return _values(time.get("datetime") for time in times if _is_in_byline(time))


def _is_in_byline(time: Any) -> bool:
    around = " ".join(time.getparent().text_content().split()).lower()
    if any(word in around for word in ("updated", "modified", "edited", "event")):
        return False
    if around.startswith(("published", "posted")) and len(around) < 100:
        return True
    ancestors = list(time.iterancestors())
    named = {name for a in ancestors for name in (a.get("class") or "").split()}
    tags = [a.tag for a in ancestors]
    in_head = "header" in tags and bool({"article", "main"} & set(tags[tags.index("header") :]))
    return in_head or bool(_BYLINE_CLASSES & named)
