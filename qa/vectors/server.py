"""The vectors on a Chroma server, a cluster or Chroma Cloud."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar, cast
from urllib.parse import SplitResult, urlsplit

from pydantic import SecretStr

from qa.errors import LibraryError, SettingsError
from qa.vectors.chroma import CONFIGURATION, ROWS_A_CALL, ChromaIndex

if TYPE_CHECKING:
    import httpx
    from chromadb.api.client import Client
    from chromadb.api.models.Collection import Collection

T = TypeVar("T")
CLOUD_ROWS = 300  # in a read or a write of Chroma Cloud: docs.trychroma.com/cloud/quotas-limits
PATIENCE = 60.0  # seconds for an answer; the client itself would wait for ever
CONNECTING = 5.0  # seconds
TRIES = 3  # of a call that the network has cut off; every one can be repeated
PAUSE = 0.3  # seconds before the second try, twice that before the third


class Server:
    """Where a Chroma server is and how it is entered. Nothing is connected before it is used."""

    def __init__(
        self,
        url: str,
        api_key: SecretStr | None = None,
        tenant: str | None = None,
        database: str | None = None,
    ) -> None:
        """Raises SettingsError for what is no web address."""
        self._address = _address(url)
        self._key = api_key.get_secret_value() if api_key else None
        known = {"tenant": tenant, "database": database}
        self._within: dict[str, Any] = {name: value for name, value in known.items() if value}
        self._client: Client | None = None
        self._turn = threading.Lock()
        self.name = self._address.geturl()
        self.rows_a_call = CLOUD_ROWS if api_key else ROWS_A_CALL

    def create(self) -> str:
        """Makes an empty collection; returns its name."""
        name = f"passages-{uuid.uuid4().hex[:16]}"
        self._try(
            lambda client: client.get_or_create_collection(
                name, embedding_function=None, configuration=CONFIGURATION
            )
        )
        return name

    def drop(self, name: str) -> None:
        """Deletes a collection, if it is there."""
        from chromadb.errors import NotFoundError

        def delete(client: Client) -> None:
            try:
                client.delete_collection(name)
            except NotFoundError:
                return

        self._try(delete)

    def collection(self, name: str) -> Collection:
        """Raises LibraryError where there is none of this name."""
        return self._try(lambda client: client.get_collection(name, embedding_function=None))

    def close(self) -> None:
        with self._turn:
            client, self._client = self._client, None
        if client is not None:
            for each in _sessions(client):  # which the client leaves open
                each.close()
            client.close()

    def call(self, action: Callable[[], T]) -> T:
        """Does something on the server, again where the network fails. Raises LibraryError."""
        import httpx
        from tenacity import RetryError, Retrying, retry_if_exception_type, stop_after_attempt
        from tenacity.wait import wait_exponential

        cut = (httpx.TransportError, ConnectionError)
        tries = Retrying(
            retry=retry_if_exception_type(cut),
            stop=stop_after_attempt(TRIES),
            wait=wait_exponential(multiplier=PAUSE),
        )
        try:
            return tries(action)
        except RetryError as error:
            raise self._down(error.last_attempt.exception()) from error
        except (LibraryError, SettingsError):
            raise
        except Exception as error:  # the client raises plain Exceptions for what it cannot read
            raise self._refused(error) from error

    def _try(self, action: Callable[[Client], T]) -> T:
        return self.call(lambda: action(self._connected()))

    def _connected(self) -> Client:
        with self._turn:
            if self._client is None:
                self._client = self._connect()
            return self._client

    def _connect(self) -> Client:
        import chromadb
        import httpx
        from chromadb.config import Settings

        # Asked in bounded time whether it is there, which the client would do in unbounded time.
        httpx.get(f"{self.name}/api/v2/heartbeat", timeout=CONNECTING).raise_for_status()
        address, key = self._address, self._key
        secure = address.scheme == "https"
        made = chromadb.HttpClient(
            address.hostname or "",
            address.port or (443 if secure else 80),
            ssl=secure,
            headers={"X-Chroma-Token": key, "Authorization": f"Bearer {key}"} if key else {},
            settings=Settings(anonymized_telemetry=False, allow_reset=False),
            **self._within,
        )
        client = cast("Client", made)
        for each in _sessions(client):
            each.timeout = httpx.Timeout(PATIENCE, connect=CONNECTING)
        return client

    def _down(self, error: BaseException | None) -> LibraryError:
        return LibraryError(
            f"The Chroma server {self.name} does not answer ({error or 'no reason given'}). "
            "Articles reported as added are safe. Start it, or mend QA_CHROMA_URL, then run this "
            "again."
        )

    def _refused(self, error: Exception) -> LibraryError:
        said = " ".join(str(error).split())[:300] or type(error).__name__
        return LibraryError(
            f"The Chroma server {self.name} did not do what it was asked ({said}). Articles "
            "reported as added are safe. Check QA_CHROMA_URL and its key, tenant and database; if "
            "the collection is gone or damaged, run: qa rebuild"
        )


class ServerIndex(ChromaIndex):
    """The vectors in one collection of a server; ``name`` tells which one it is now."""

    def __init__(self, server: Server, name: Callable[[], str]) -> None:
        self.server = server
        self.rows_a_call = server.rows_a_call
        self._name = name
        self.reopen()

    def reopen(self) -> None:
        """Finds the collection of now, which a rebuild may have replaced."""
        self._collection = self.server.collection(self._name())

    def close(self) -> None:
        """The connection is the server's, which other indexes use, too."""

    def call(self, action: Callable[[Collection], T]) -> T:
        return self.server.call(lambda: action(self._collection))


def _sessions(client: Client) -> list[httpx.Client]:
    """The connections of a client and of the other one inside it; there is no door to them."""
    both: list[Any] = [client, client._admin_client]
    return [each._server._session for each in both]


def _address(url: str) -> SplitResult:
    parts = urlsplit(url.rstrip("/"))
    try:
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        usable = False
    if not usable or parts.username or parts.password or parts.path or parts.query:
        raise SettingsError(
            "QA_CHROMA_URL is no address of a Chroma server. Write it like http://127.0.0.1:8000 "
            "or https://api.trychroma.com; a key goes into QA_CHROMA_API_KEY."
        )
    return parts
