"""What goes wrong with a database, in one line that says what to do; never a password."""

from __future__ import annotations

import psycopg
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from qa.errors import LibraryError

SAFE = "Articles reported as added are safe"
# By SQLSTATE, or its class: https://www.postgresql.org/docs/current/errcodes-appendix.html
_KNOWN = {
    "28": "It refuses the user or password ({said}). Check QA_DATABASE_URL.",
    "3D000": "It does not exist on that server. Create it with createdb, or check QA_DATABASE_URL.",
    "3F000": "Its schema does not exist ({said}). Create it, or check QA_DATABASE_URL.",
    "42501": "The user of QA_DATABASE_URL may not do this ({said}). Grant it, then run this again.",
    "42P01": "It holds no library ({said}). Add articles first: qa add FOLDER",
    "53100": f"Its disk is full. {SAFE}; free space there, then run this again.",
    "55P03": "Its tables are in use ({said}). Run this again in a moment.",
    "53300": "It has no connection left. Raise its max_connections or run fewer programs.",
    "57014": f"It took too long and was stopped ({{said}}). {SAFE}; run this again.",
    "25006": "It takes no writing ({said}), as a standby does. Use the URL of the primary.",
}
_GONE = f"The connection was lost ({{said}}). {SAFE}; when it is back, run this again."
_AWAY = f"It cannot be reached ({{said}}). {SAFE}; start it or check QA_DATABASE_URL, "
_AWAY += "then run this again."
_REFUSED = "It refuses a parameter ({said}). Take it out of QA_DATABASE_URL."
_ELSE = f"It reports: {{said}}. {SAFE}; check the database, then run this again."


# What the server cannot read of its own files: internal errors, and those of its system.
_DAMAGE = ("XX", "58030", "58P01")


def damaged(error: BaseException | None) -> bool:
    """Whether it is the database's files that are wrong, and not the way to them."""
    original = error.orig if isinstance(error, DBAPIError) else error
    return str(getattr(original, "sqlstate", None) or "").startswith(_DAMAGE)


def lost(error: BaseException) -> bool:
    """Whether the connection is gone, so that a new one may do better."""
    if isinstance(error, DBAPIError):
        return error.connection_invalidated
    # What comes from the driver itself was said on an open connection.
    return isinstance(error, psycopg.OperationalError) and error.sqlstate is None


def explained(name: str, error: SQLAlchemyError | psycopg.Error) -> LibraryError:
    """The error of a user for one of the driver."""
    return LibraryError(f"The database {name} cannot be used. {_what(error)}")


def _what(error: SQLAlchemyError | psycopg.Error) -> str:
    if isinstance(error, PoolTimeoutError):
        return "All connections of this program are busy. Ask again in a moment."
    original = error.orig if isinstance(error, DBAPIError) else error
    lines = str(original).strip().splitlines() or [type(original).__name__]
    state = getattr(original, "sqlstate", None) or ""
    if lost(error) or state.startswith(("57P", "08")):
        pattern = _GONE
    elif not state and "database" in lines[0] and "does not exist" in lines[0]:
        pattern = _KNOWN["3D000"]  # failures to connect carry no state
    elif not state and ("startup parameter" in lines[0] or "configuration param" in lines[0]):
        pattern = _REFUSED
    elif not state and ("password" in lines[0] or "authentication" in lines[0]):
        pattern = _KNOWN["28"]
    elif not state and isinstance(original, psycopg.OperationalError):
        pattern = _AWAY
    else:
        pattern = _KNOWN.get(state) or _KNOWN.get(state[:2]) or _ELSE
    return pattern.format(said=lines[0].rstrip(".").strip())
