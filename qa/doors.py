"""Who comes to a server: from which machine, with which key, how often. For the web and for MCP."""

from __future__ import annotations

import hmac
import math
import os
import socket
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping
from hashlib import sha256
from ipaddress import IPv6Address, ip_address
from urllib.parse import urlsplit

from pydantic import SecretStr

from qa.errors import SettingsError

SHORTEST = 16  # characters of a key
MINUTE = 60.0
MOST_NAMES = 10_000  # callers that are counted at once; whoever was away longest is forgotten
FORWARDED = {"forwarded", "x-forwarded-for", "x-real-ip", "via"}  # headers that proxies set


# Listening


def listen(host: str, port: int, who: str) -> socket.socket:
    """A socket for a server that is called ``who``. Raises SettingsError where there is none."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family)
    except OSError as error:
        number = error.errno or 0  # negative where a name is not found
        reason = os.strerror(number) if number > 0 else error.strerror
        raise SettingsError(
            f"{who} cannot listen on {host} port {port}: {reason}. "
            "Stop what uses it, or choose another with --port (or QA_PORT), --host (or QA_HOST)."
        ) from error


def address(listening: socket.socket) -> str:
    """Where who listens there is reached."""
    host, port = listening.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


# From where


def is_public(host: str) -> bool:
    """Whether other machines may reach what listens there: all but loopback addresses and names.

    A name that cannot be resolved counts as public.
    """
    if not host:
        return True  # listens on every address
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return True
    return not all(is_loopback(str(address[4][0])) for address in found)


def is_loopback(address: str) -> bool:
    parsed = ip_address(address)
    inner = parsed.ipv4_mapped if isinstance(parsed, IPv6Address) else None
    return (inner or parsed).is_loopback


def from_here(host: str, headers: Mapping[str, str]) -> bool:
    """Whether a request was addressed to this machine by one of its own names.

    A foreign page can have its own name resolve to 127.0.0.1 (DNS rebinding), so that names are
    not resolved here.
    """
    given = {name.lower(): value for name, value in headers.items()}
    if FORWARDED & given.keys():
        return False
    try:
        named = urlsplit(f"//{given.get('host', '')}").hostname or ""
    except ValueError:
        return False
    if named in (host.lower(), "localhost"):
        return True
    try:
        return is_loopback(named)
    except ValueError:
        return False


def network(address: str) -> str:
    """What one sender's addresses have in common: all of one of IPv4, 64 bits of one of IPv6."""
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:  # a header of a proxy can hold anything
        return address[:40]
    if isinstance(parsed, IPv6Address):
        if parsed.ipv4_mapped is None:
            return str(IPv6Address(int(parsed) >> 64 << 64))
        parsed = parsed.ipv4_mapped
    return str(parsed)


# With which key, and how often


class Keys:
    """The keys that are known. Raises SettingsError for one that is too short to be a secret, or
    that no header can carry."""

    def __init__(self, keys: tuple[SecretStr, ...]) -> None:
        known = [key.get_secret_value().strip() for key in keys]
        make = "Make one with: openssl rand -hex 32"
        if any(len(key) < SHORTEST for key in known):
            raise SettingsError(
                f"A key in QA_API_KEYS has fewer than {SHORTEST} characters, so that it could be "
                f"guessed. {make}"
            )
        if not all(key.isascii() and key.isprintable() for key in known):
            raise SettingsError(
                "A key in QA_API_KEYS has characters other than the letters, digits and signs of "
                f"ASCII, so that no program could send it. {make}"
            )
        self._known = [_digest(key) for key in known]

    def __bool__(self) -> bool:
        return bool(self._known)

    def named(self, given: str) -> str:
        """A name for a key that is known, else nothing. Takes as long for either."""
        digest, name = _digest(given), ""
        for number, known in enumerate(self._known, 1):
            if hmac.compare_digest(digest, known):
                name = f"key {number}"
        return name


class Rate:
    """At most so many requests of each caller, in any sixty seconds.

    Holds the times of the last minute's requests, of at most ``MOST_NAMES`` callers.
    """

    def __init__(self, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._clock = clock
        self._taken: OrderedDict[str, deque[float]] = OrderedDict()  # who came last is last

    def __len__(self) -> int:
        """How many callers are remembered."""
        return len(self._taken)

    def take(self, name: str) -> tuple[bool, dict[str, str]]:
        """Whether one more may come, and the headers that tell how many may still."""
        now = self._clock()
        times = self._taken.setdefault(name, deque())
        self._taken.move_to_end(name)
        while times and times[0] <= now - MINUTE:
            times.popleft()
        is_free = len(times) < self._most
        if is_free:
            times.append(now)
        self._forget(now)
        reset = max(1, math.ceil(times[0] + MINUTE - now))
        headers = {
            "RateLimit-Limit": str(self._most),
            "RateLimit-Remaining": str(self._most - len(times)),
            "RateLimit-Reset": str(reset),
        }
        return is_free, headers if is_free else headers | {"Retry-After": str(reset)}

    def _forget(self, now: float) -> None:
        while len(self._taken) > 1:
            name, times = next(iter(self._taken.items()))
            if times[-1] > now - MINUTE and len(self._taken) <= MOST_NAMES:
                return
            del self._taken[name]


def _digest(key: str) -> bytes:
    return sha256(key.encode("utf-8", "surrogatepass")).digest()
