"""The tables of a library.

What may be long is indexed by its first 500 characters, since a row of an index has 2,704 bytes at
most; ids of articles are refused before they are as long.
"""

from alembic import op

revision = "0001"
down_revision = None

_TABLES = """
CREATE TABLE qa_manifest (key TEXT COLLATE "C" PRIMARY KEY, value TEXT COLLATE "C" NOT NULL);

CREATE TABLE qa_articles (
    id TEXT COLLATE "C" PRIMARY KEY, title TEXT COLLATE "C" NOT NULL,
    text TEXT COLLATE "C" NOT NULL, url TEXT COLLATE "C", publisher TEXT COLLATE "C",
    author TEXT COLLATE "C", published TEXT COLLATE "C", updated TEXT COLLATE "C",
    language TEXT COLLATE "C", metadata TEXT COLLATE "C" NOT NULL,
    content_hash TEXT COLLATE "C" NOT NULL, day INTEGER, source TEXT COLLATE "C" NOT NULL,
    root TEXT COLLATE "C" NOT NULL, characters INTEGER NOT NULL);
CREATE INDEX qa_articles_newest ON qa_articles (day DESC NULLS LAST, id);
CREATE INDEX qa_articles_by_root ON qa_articles (left(root, 500));
CREATE INDEX qa_articles_by_publisher ON qa_articles (left(publisher, 500));

CREATE TABLE qa_passages (
    id TEXT COLLATE "C" PRIMARY KEY,
    article_id TEXT COLLATE "C" NOT NULL REFERENCES qa_articles (id) ON DELETE CASCADE,
    start INTEGER NOT NULL, "end" INTEGER NOT NULL, heading TEXT COLLATE "C" NOT NULL,
    embedding_hash BYTEA NOT NULL, words TSVECTOR NOT NULL, title_length INTEGER NOT NULL,
    heading_length INTEGER NOT NULL, text_length INTEGER NOT NULL)
    -- Words lie in the row itself, where searching finds them without unpacking.
    WITH (toast_tuple_target = 8160);
ALTER TABLE qa_passages ALTER COLUMN words SET STORAGE MAIN;
CREATE INDEX qa_passages_by_article ON qa_passages (article_id, start);
CREATE INDEX qa_passages_by_embedding ON qa_passages (embedding_hash);
CREATE INDEX qa_passages_by_words ON qa_passages USING gin (words);

CREATE TABLE qa_terms (
    term TEXT COLLATE "C" PRIMARY KEY, title INTEGER NOT NULL, heading INTEGER NOT NULL,
    text INTEGER NOT NULL) WITH (fillfactor = 70);

CREATE TABLE qa_embeddings (hash BYTEA PRIMARY KEY, vector BYTEA NOT NULL);
ALTER TABLE qa_embeddings ALTER COLUMN vector SET STORAGE EXTERNAL;

CREATE TABLE qa_journal (passage_id TEXT COLLATE "C" PRIMARY KEY);

CREATE TABLE qa_files (
    path TEXT COLLATE "C" NOT NULL, article_id TEXT COLLATE "C" NOT NULL, digest BYTEA NOT NULL,
    content_hash TEXT COLLATE "C" NOT NULL);
CREATE INDEX qa_files_by_path ON qa_files (left(path, 500));

CREATE TABLE qa_suggestions (
    article_id TEXT COLLATE "C" NOT NULL REFERENCES qa_articles (id) ON DELETE CASCADE,
    place INTEGER NOT NULL, question TEXT COLLATE "C" NOT NULL, start INTEGER NOT NULL,
    "end" INTEGER NOT NULL, PRIMARY KEY (article_id, place));
"""


def upgrade() -> None:
    """From nothing."""
    for statement in _TABLES.split(";\n"):
        if statement.strip():
            op.execute(statement)
