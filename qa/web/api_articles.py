"""The articles over HTTP: listed, read, added and deleted."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path as File
from tempfile import TemporaryDirectory
from typing import Annotated, Any
from urllib.parse import urlsplit

from fastapi import APIRouter, Depends, Path, Query, Request
from starlette.datastructures import FormData, UploadFile

from qa import contract
from qa.contract import Record
from qa.errors import InputError, QaError, UnreadableError
from qa.library import Library
from qa.loading.fields import row_article
from qa.types import Article
from qa.web import api_models as models
from qa.web import shelf
from qa.web.api_answering import Counter
from qa.web.api_errors import Failure, Json, known_parameters
from qa.web.keys import CALLER

PATH = "/api/articles"
LARGEST_OFFSET = 50_000  # as many are looked up and left out
MOST_FILES = 100  # of one request
NAME = 60  # characters of a file's name that are kept, which any file system takes

Id = Annotated[
    str,
    Path(
        description="The article's id; slashes may stand in it, but that of a last /passages.",
        examples=["harbour"],
    ),
]
Words = Annotated[models.Text, Query(max_length=200, description="In title or publisher.")]

_ARTICLE = models.NewArticle.model_json_schema()
_TAKEN: dict[str, Any] = {
    "application/json": {
        "schema": {"anyOf": [_ARTICLE, {"type": "array", "items": _ARTICLE, "minItems": 1}]},
        "examples": {
            "one": {"value": {"id": "harbour", "title": "Harbour wall reopens", "text": "The …"}}
        },
    },
    "multipart/form-data": {
        "schema": {
            "type": "object",
            "properties": {
                "files": {"type": "array", "items": {"type": "string", "format": "binary"}},
                "articles": {"type": "string", "description": "JSON as above, beside the files."},
            },
            "additionalProperties": False,
            "minProperties": 1,
        }
    },
}


def routes(counter: Counter) -> APIRouter:
    made = APIRouter(
        tags=["articles"], responses=models.errors(), dependencies=[Depends(known_parameters)]
    )
    library = counter.library
    one, changing = models.errors(404), models.errors(404, 409)

    @made.get(PATH, response_model=models.ListResult)
    async def listed(
        words: Words = "",
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
        offset: Annotated[int, Query(ge=0, le=LARGEST_OFFSET)] = 0,
    ) -> Json:
        """The articles with these words, newest first, as of `qa list --json`."""
        find = partial(shelf.listed, library, words, offset + limit)
        listings, total = await counter.read(find)
        record = contract.of_listings(listings[offset:])
        for each in record["articles"]:
            each["source"] = _file_name(each["source"])
        return Json(record | {"total": total})

    @made.get(PATH + "/{id:path}/passages", response_model=models.PassagesResult, responses=one)
    async def passages(id: Id, request: Request) -> Json:  # noqa: A002
        """An article's passages in reading order."""
        if not request.scope["raw_path"].endswith(b"/passages"):  # but %2Fpassages: in the id
            return await shown(f"{id}/passages")
        return Json(await counter.read(_known(id, lambda: _passages(library, id))))

    @made.get(PATH + "/{id:path}", response_model=models.ArticleResult, responses=one)
    async def shown(id: Id) -> Json:  # noqa: A002
        """One article whole, as of `qa show --json`."""
        show = _known(id, lambda: contract.of_article(library.article(id)))
        return Json(await counter.read(show))

    document = {"requestBody": {"required": True, "content": _TAKEN}}

    @made.post(PATH, response_model=models.AddResult, responses=changing, openapi_extra=document)
    async def add(request: Request) -> Json:
        """Adds or updates articles; the result is as of `qa add --json`."""
        _refuse_unless_may_write(request, library)
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind == "application/json":
            body = await request.body()
            return Json(await counter.write(lambda: _add(library, body, ())))
        if kind != "multipart/form-data":
            raise Failure(422, "Send application/json or multipart/form-data.")
        async with request.form(max_files=MOST_FILES, max_part_size=models.JSON_PART) as form:
            files, body = _parts(form)
            return Json(await counter.write(lambda: _add(library, body, files)))

    @made.delete(PATH + "/{id:path}", response_model=models.RemoveResult, responses=changing)
    async def remove(id: Id, request: Request) -> Json:  # noqa: A002
        """Takes an article out; the result is as of `qa remove --json`."""
        _refuse_unless_may_write(request, library)
        return Json(await counter.write(_known(id, lambda: _remove(library, id))))

    return made


def _refuse_unless_may_write(request: Request, library: Library) -> None:
    if request.scope[CALLER].may_write(library.settings, request.headers):
        return
    advice = "Set QA_API_KEYS on the server, and send one of them."
    if library.settings.read_only:
        advice = "QA_READ_ONLY is set on the server."
    raise Failure(403, f"Articles cannot be added or deleted here. {advice}", code="read_only")


def _known(key: str, work: Callable[[], Record]) -> Callable[[], Record]:
    """The work, whose InputError means that there is no article of this id."""
    message = "There is no article of this id. See the ids with: GET /api/articles"
    unknown = Failure(404, message, param="id", code="article_not_found")
    try:
        models.usable(key)
    except ValueError:
        raise unknown from None

    def look() -> Record:
        try:
            return work()
        except InputError as error:
            raise unknown from error

    return look


def _file_name(source: str) -> str:
    """The last part of where an article came from: no path of this machine."""
    path = urlsplit(source).path if "://" in source else source
    return path.replace("\\", "/").rpartition("/")[2]


def _passages(library: Library, key: str) -> Record:
    library.article(key)
    names = ("id", "start", "end", "text", "heading")
    found = library.passages(key)
    rows = [{name: getattr(passage, name) for name in names} for passage in found]
    return {"article_id": key, "passages": rows}


def _remove(library: Library, key: str) -> Record:
    title = shelf.delete(library, key)
    return {"removed": 1, "articles": [{"id": key, "title": title, "status": "removed"}]}


# Adding


def _parts(form: FormData) -> tuple[list[UploadFile], bytes]:
    files, body = [], b""
    for name, part in form.multi_items():
        if name == "files" and isinstance(part, UploadFile):
            files.append(part)
        elif name == "articles":
            body = part.encode() if isinstance(part, str) else part.file.read()
        else:
            raise Failure(422, "The parts of the form are: files (with names), articles (JSON).")
    return files, body


def _add(library: Library, body: bytes, files: Sequence[UploadFile]) -> Record:
    """Adds what was sent; what cannot be used is told, and stops nothing."""
    articles, failed = _read(body) if body else ([], [])
    if not (articles or failed or files):
        raise Failure(422, 'There is no article in it. Send {"text": "…"}, or files.')
    with _kept(library, files) as (names, refused):
        record = contract.of_report(library.add([*names, *articles]))
    for failure in record["failed"]:
        failure |= {field: _named(failure[field], names) for field in ("source", "reason")}
    record["failed"] += [*refused, *failed]
    if record["failed"] and not record["articles"]:
        reasons = "; ".join(f"{each['source']}: {each['reason']}" for each in record["failed"][:5])
        raise Failure(422, f"Nothing was added. {reasons}.", failed=record["failed"])
    return record


def _read(body: bytes) -> tuple[list[Article], list[Record]]:
    """The articles of a JSON body, and why others are none."""
    try:
        rows = json.loads(body)
    except (ValueError, RecursionError) as error:  # also what is no UTF-8, or too long a number
        raise Failure(400, "The articles are no JSON.", code="json_invalid") from error
    if not models.is_usable(rows):
        what = "A text holds a NUL character or half a surrogate pair, or a number is infinite."
        raise Failure(422, what)
    articles, failed = [], []
    for place, row in enumerate(rows if isinstance(rows, list) else [rows]):
        try:
            articles.append(_article(row))
        except UnreadableError as error:
            failed.append({"source": f"articles[{place}]", "reason": str(error)})
    return articles, failed


def _article(row: object) -> Article:
    if not isinstance(row, Mapping):
        raise UnreadableError('it is no JSON object; write {"text": "…", "title": "…"}')
    try:
        return row_article(row)
    except (ValueError, OverflowError) as error:  # a number that is out of every range
        raise UnreadableError("a value in it cannot be used") from error


@contextmanager
def _kept(
    library: Library, files: Sequence[UploadFile]
) -> Iterator[tuple[dict[File, str], list[Record]]]:
    """Where the files are kept in the library's folder with the names they were sent with, and why
    others are not; in the end those go again that no article came from."""
    kept: dict[File, str] = {}
    refused: list[Record] = []
    try:
        for sent in files:
            name = _file_name(sent.filename or "file")
            if File(name).suffix.lower() in shelf.KINDS:
                kept[_keep(library, sent, name)] = name
            else:
                reason = f"this kind of file cannot be read; send one of {' '.join(shelf.KINDS)}"
                refused.append({"source": name, "reason": reason})
        yield kept, refused
    finally:
        for file in kept:
            with suppress(QaError, OSError):
                if not library.articles_from(str(file)):
                    file.unlink(missing_ok=True)
                    file.parent.rmdir()  # where nothing else is in it


def _keep(library: Library, sent: UploadFile, name: str) -> File:
    plain = re.sub(r"[^\w.() -]", "_", name)[-NAME:].lstrip(".") or "file"
    try:
        with TemporaryDirectory(prefix="qa-sent-") as folder:
            aside = File(folder) / plain
            with aside.open("wb") as opened:
                shutil.copyfileobj(sent.file, opened)
            return shelf.keep(library, aside)
    except OSError as error:
        reason = error.strerror or "the disk refuses it"
        raise Failure(503, f"The files cannot be kept: {reason}. Make room there.") from error


def _named(told: str, names: Mapping[File, str]) -> str:
    """What is said of a failure, in the words of who sent it: no path of this machine."""
    for file, name in names.items():
        told = told.replace(str(file), name)
    return told
