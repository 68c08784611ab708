"""Rows in and out of the tables, many at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import psycopg
from psycopg import sql
from sqlalchemy import Connection, Select, Table, text

from qa.postgres.tables import AnyText, storable

Rows = list[tuple[Any, ...]]


def fetched(connection: Connection, query: Select[Any]) -> Rows:
    """All rows of a query as plain tuples."""
    return [tuple(row) for row in connection.execute(query)]


def advance(connection: Connection) -> None:
    """A new generation, which readers notice."""
    connection.execute(
        text(
            "UPDATE qa_manifest SET value = (CAST(value AS bigint) + 1)::text "
            "WHERE key = 'generation'"
        )
    )


def copy(connection: Connection, table: Table, rows: Sequence[Sequence[Any]]) -> None:
    """Inserts rows, in the order of the table's columns, by COPY: several times as fast."""
    if not rows:
        return
    texts = [isinstance(column.type, AnyText) for column in table.columns]
    with _driver(connection).cursor() as cursor, cursor.copy(_into(table.name, table)) as copying:
        for row in rows:
            copying.write_row(
                [
                    storable(value) if escaped and value is not None else value
                    for value, escaped in zip(row, texts, strict=True)
                ]
            )


def copy_vectors(connection: Connection, rows: Sequence[tuple[bytes, bytes]]) -> None:
    """Inserts vectors by their hashes, or replaces them."""
    with _driver(connection).cursor() as cursor:
        cursor.execute("CREATE TEMP TABLE qa_coming (LIKE qa_embeddings) ON COMMIT DROP")
        with cursor.copy("COPY qa_coming FROM STDIN (FORMAT binary)") as copying:
            copying.set_types(["bytea", "bytea"])
            for row in rows:
                copying.write_row(row)
        cursor.execute(
            "INSERT INTO qa_embeddings SELECT * FROM qa_coming "
            "ON CONFLICT (hash) DO UPDATE SET vector = excluded.vector"
        )
        cursor.execute("DROP TABLE qa_coming")


def fetched_vectors(
    connection: Connection, hashes: Sequence[bytes] | None
) -> list[tuple[bytes, bytes]]:
    """The stored vectors of these hashes, or all; in binary, half as many bytes as otherwise."""
    with _driver(connection).cursor(binary=True) as cursor:
        if hashes is None:
            cursor.execute("SELECT hash, vector FROM qa_embeddings")
        else:
            query = "SELECT hash, vector FROM qa_embeddings WHERE hash = ANY(%s::bytea[])"
            cursor.execute(query, (list(hashes),))
        return cast("list[tuple[bytes, bytes]]", cursor.fetchall())


def _driver(connection: Connection) -> psycopg.Connection[Any]:
    return cast("psycopg.Connection[Any]", connection.connection.driver_connection)


def _into(name: str, table: Table) -> sql.Composed:
    columns = sql.SQL(", ").join(sql.Identifier(column.name) for column in table.columns)
    return sql.SQL("COPY {} ({}) FROM STDIN").format(sql.Identifier(name), columns)
