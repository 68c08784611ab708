"""The URL of a database: what we take, what we add to it, and how it is named in messages."""

from __future__ import annotations

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from qa.errors import SettingsError

SCHEMES = ("postgresql", "postgresql+psycopg")
# A host that is gone is noticed within a minute, on both sides: the server then frees the lock.
_CLIENT = {
    "connect_timeout": "5",
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "keepalives_count": "3",
    "tcp_user_timeout": "60000",
    "application_name": "qa",
    "client_encoding": "utf8",
}
# Set after connecting, where the server knows them and the URL does not say otherwise: as options
# of the connection, older servers and PgBouncer would refuse it.
SERVER = {
    "statement_timeout": "300s",  # of readers; writers have none
    "tcp_keepalives_idle": "30",
    "tcp_keepalives_interval": "10",
    "tcp_keepalives_count": "3",
    "client_connection_check_interval": "5s",
}


def parsed(url: str) -> URL:
    """The URL with our timeouts, where it does not set its own."""
    try:
        found = make_url(url.strip())
    except (ArgumentError, ValueError) as error:
        raise SettingsError(
            "QA_DATABASE_URL cannot be read as a URL. It looks like "
            "postgresql://user:password@host:5432/database; special characters in a password are "
            "percent-encoded."
        ) from error
    if found.drivername not in SCHEMES:
        raise SettingsError(
            f"QA_DATABASE_URL begins with {found.drivername}://, and only PostgreSQL is "
            "supported. It looks like postgresql://user:password@host:5432/database"
        )
    if not found.database:
        raise SettingsError(
            "QA_DATABASE_URL names no database. It looks like "
            "postgresql://user:password@host:5432/database"
        )
    own = found.query.get("options", ())
    options = {"options": " ".join(own)} if own and not isinstance(own, str) else {}
    query = {**_CLIENT, **found.query, **options}
    return found.set(drivername="postgresql+psycopg", query=query)


def shown(url: URL) -> str:
    """The database's address without user and password."""
    host = url.host or ""
    if ":" in host:
        host = f"[{host}]"
    port = f":{url.port or 5432}" if host else ""
    return f"postgresql://{host}{port}/{url.database}"
