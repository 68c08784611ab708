"""The tables' history, for Alembic; what it makes is what ``qa.postgres.tables`` describes."""
