"""Brings the tables of a database up to what this program knows, with Alembic."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from qa.errors import LibraryError
from qa.postgres.tables import VERSION_TABLE

FOLDER = Path(__file__).parent / "migrations"


def version(connection: Connection) -> str | None:
    """The version that the library is at, None where there are no tables of ours."""
    named = {"version_table": VERSION_TABLE, "version_table_schema": _schema(connection)}
    return MigrationContext.configure(connection, opts=named).get_current_revision()


def outdated(name: str, found: str | None) -> bool:
    """Whether a version is older than this program's; one that it does not know is refused."""
    scripts = ScriptDirectory.from_config(_config())
    known = [script.revision for script in scripts.walk_revisions()]  # newest first
    if found is not None and found not in known:
        raise LibraryError(
            f"The library in {name} was made by a newer version of this program (its tables are "
            f"of version {found}, this one knows up to {known[0]}). Update this program."
        )
    return found != known[0]


def upgrade(connection: Connection) -> None:
    """Runs what is missing, inside the caller's transaction, who also sees to it being alone."""
    config = _config()
    config.attributes["connection"] = connection
    config.attributes["schema"] = _schema(connection)
    command.upgrade(config, "head")


def _schema(connection: Connection) -> str | None:
    """Where the library is or is to be made; a table of another one in the path is not ours."""
    found: str | None = connection.scalar(text("SELECT current_schema()"))
    return found


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config
