"""Runs the migrations on the connection that ``qa.postgres.migrating`` hands over."""

from alembic import context

from qa.postgres.tables import VERSION_TABLE, metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
    version_table_schema=context.config.attributes["schema"],
)
with context.begin_transaction():
    context.run_migrations()
