"""PostgreSQL for a library that several machines share; at the bottom, knows nothing of passages.

The tables are in the first schema of the connection's ``search_path`` (``public`` where nothing
else is said) and begin with ``qa_``; nothing else in the database is touched. A second library in
the same database has a schema of its own: ``?options=-csearch_path%3Dother`` in the URL.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from qa.errors import SettingsError

if TYPE_CHECKING:
    from qa.postgres.database import Database as Database


def connect(url: str) -> Database:
    """The database of a ``postgresql://`` URL; nothing is opened before it is used.

    Raises SettingsError where the URL is none of PostgreSQL, or its driver is not installed.
    """
    try:
        from qa.postgres.database import Database
    except ImportError as error:
        raise SettingsError(
            f"QA_DATABASE_URL is set, but a package that PostgreSQL needs is missing ({error}). "
            "Install it with: pip install 'cited-qa[postgres]'"
        ) from error
    return Database(url)
