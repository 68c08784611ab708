"""Brings the tables of a database up to what this program knows, with Alembic."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from qa.errors import LibraryError
from qa.postgres.tables import VERSION_TABLE


def version(connection: Connection) -> str | None:
    """The version that the database is at, None where it has no tables of ours."""
    context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
    return context.get_current_revision()


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
    command.upgrade(config, "head")


def _config() -> Config:
    config = Config()
    folder = str(Path(__file__).parent / "migrations")
    config.set_main_option("script_location", folder.replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config
