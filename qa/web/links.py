"""Addresses that may become links."""

from __future__ import annotations

import re
from urllib.parse import urlsplit


def safe_link(url: str | None) -> str:
    """The address if it is a plain http(s) one, else nothing: no ``javascript:`` becomes a link."""
    if not url or re.search(r"[\s\x00-\x1f\x7f]", url):
        return ""
    try:
        parts = urlsplit(url)
        named = bool(parts.hostname)
    except ValueError:
        return ""
    return url if parts.scheme in ("http", "https") and named else ""
