"""Who may reach the chat and what they may do there; whether it is ready to answer."""

from __future__ import annotations

import hashlib
import hmac
import logging
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping

from qa import tracing
from qa.doors import from_here, is_public
from qa.errors import LibraryError, ModelError, ModelMismatchError
from qa.library import Library
from qa.settings import Settings

TRIES = 10  # wrong passwords a minute for one name, after which that name is refused for the rest
MINUTE = 60.0
KEPT = 5.0  # seconds that an answer about readiness holds: who asks often costs nothing

logger = logging.getLogger("qa.web")


# Reach


def editable(settings: Settings, headers: Mapping[str, str] | None = None) -> bool:
    """Whether articles can be added and deleted in the page.

    As QA_READ_ONLY says; unset, where only this machine can reach the page, or sign-in is set.
    With the ``headers`` of a request, one that a proxy has passed on, or that names another host,
    counts as another machine's.
    """
    if settings.read_only is not None:
        return not settings.read_only
    if settings.sign_in:
        return True
    return not is_public(settings.host) and (headers is None or from_here(settings.host, headers))


def warnings(settings: Settings) -> list[str]:
    """What to say at the start: a line for each thing that its owner may not have meant."""
    if settings.sign_in or not is_public(settings.host):
        return []
    what = "read all articles and ask"
    if editable(settings):
        what = "read, add and delete articles, and ask"
    return [
        f"Warning: other machines can reach the chat at {settings.host}, and nobody has to sign "
        f"in: whoever can reach it can {what}. Set QA_SIGN_IN to names and passwords, or listen "
        "on 127.0.0.1 behind a proxy that asks for them (docs/hosting.md)."
    ]


def upload_limit(settings: Settings) -> str:
    """The largest file that the page takes, as Gradio writes sizes."""
    return f"{settings.upload_mb}mb"


# Sign-in


def authenticate(
    settings: Settings, clock: Callable[[], float] = time.monotonic
) -> Callable[[str, str], bool] | None:
    """What ``gr.mount_gradio_app`` takes as ``auth``; None where nobody has to sign in.

    Compares in constant time, whether the name is known or not. After ten wrong passwords for a
    name within a minute, that name is refused until the minute is over, whatever the password.
    """
    if not settings.sign_in:
        return None
    known = {name: _digest(word.get_secret_value()) for name, word in settings.sign_in.items()}
    nobody = secrets.token_bytes(32)
    wrong = {name: deque[float](maxlen=TRIES) for name in known}

    def is_right(name: str, password: str) -> bool:
        same = hmac.compare_digest(_digest(password), known.get(name, nobody))
        if name not in known:
            return False
        tries, now = wrong[name], clock()
        refused = len(tries) == TRIES and now - tries[0] < MINUTE
        if refused:
            return False
        if not same:
            tries.append(now)
            logger.warning("wrong password for %r", name)
        return same

    return is_right


def _digest(password: str) -> bytes:
    return hashlib.sha256(password.encode("utf-8", "surrogatepass")).digest()


# Readiness


def ready(library: Library) -> tuple[bool, str]:
    """Whether questions can be answered, and why not: one line without paths or secrets.

    Searches, which loads the model the first time. A library without articles is ready.
    """
    try:
        if library.exists:
            with tracing.untraced():
                library.search("Is everything ready?", 1)
        elif library.path.exists() and not library.path.is_dir():
            return False, "The library is a file, and should be a folder."
    except ModelMismatchError:
        return False, "The library was embedded with another model. Run on the server: qa doctor"
    except LibraryError:
        return False, "The library cannot be read. Run on the server: qa doctor"
    except ModelError:
        return False, "The embedding model cannot be loaded. Run on the server: qa doctor"
    except Exception:
        logger.exception("the library is not ready")
        return False, "Something went wrong. The server's log says more."
    return True, "ready"


class Readiness:
    """:func:`ready`, asked at most once in five seconds and by one thread at a time."""

    def __init__(self, library: Library, clock: Callable[[], float] = time.monotonic) -> None:
        self._library = library
        self._clock = clock
        self._asking = threading.Lock()
        self._asked = float("-inf")
        self._known = (False, "The library is being opened.")

    def __call__(self) -> tuple[bool, str]:
        """What is known now; who comes while another one asks gets the answer before."""
        if self._clock() - self._asked >= KEPT and self._asking.acquire(blocking=False):
            try:
                self._known = ready(self._library)
                self._asked = self._clock()
            finally:
                self._asking.release()
        return self._known
