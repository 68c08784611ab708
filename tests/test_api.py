"""The HTTP API: as programs use it, over loopback, beside the page."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from api_server import (
    COST,
    FOREIGN,
    KEY,
    OTHER_KEY,
    Endless,
    bare_api,
    make_library,
    needs_curl,
    whole_app,
)
from conftest import HARBOUR
from gradio_client import Client

from qa import contract, doors
from qa.errors import LockedError, SettingsError
from qa.library import Library
from qa.types import Filters, Turn
from qa.web import api
from qa.web.conversation import Chat
from qa.web.line import Line

LONG = 30.0  # seconds; a test that waits for so long has failed


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Library]]:
    with whole_app(tmp_path_factory.mktemp("api"), api_rate=10_000) as running:
        yield running


@pytest.fixture
def library(app: tuple[str, Library]) -> Library:
    return app[1]


@pytest.fixture
def client(app: tuple[str, Library]) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=app[0], timeout=LONG) as opened:
        yield opened


def error_of(response: httpx.Response, status: int) -> dict[str, Any]:
    """The error, in the one shape that all have."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/json"
    error = response.json()["error"]
    assert {"message", "type", "param", "code"} <= error.keys()
    assert isinstance(error["message"], str)
    assert "Traceback" not in response.text
    return dict(error)


def events_of(response: httpx.Response) -> Iterator[tuple[str, Any]]:
    """The names and records of server-sent events."""
    name = ""
    for line in response.iter_lines():
        if line.startswith("event: "):
            name = line.removeprefix("event: ")
        elif line.startswith("data: "):
            yield name, json.loads(line.removeprefix("data: "))


def without_times(record: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in record.items() if name != "timings_ms"}


# Searching


def test_search_gives_what_the_command_line_gives(client: httpx.Client, library: Library) -> None:
    expected = contract.of_search("harbour wall", library.search("harbour wall", 2))
    assert client.get("/api/search", params={"q": "harbour wall", "k": 2}).json() == expected
    assert client.post("/api/search", json={"q": "harbour wall", "k": 2}).json() == expected


def test_search_with_filters(client: httpx.Client) -> None:
    def found(**given: Any) -> set[str]:
        hits = client.get("/api/search", params={"q": "harbour library", **given}).json()["hits"]
        return {hit["article_id"] for hit in hits}

    assert found(publisher="Town News") == {"library"}
    assert found(publisher=["Town News", "Check Gazette"]) == {"library", "harbour"}
    assert found(after="2031-04-01") == {"library"}
    assert found(before="2031-04-01") == {"harbour"}
    assert found(article=FOREIGN.id) == {FOREIGN.id}
    posted = {"q": "harbour library", "publishers": ["Town News"], "after": None}
    assert client.post("/api/search", json=posted).json()["hits"][0]["article_id"] == "library"


# Asking


def test_answer_is_what_the_library_gives(client: httpx.Client, library: Library) -> None:
    got = client.post("/api/ask", json={"question": COST}).json()
    assert without_times(got) == without_times(contract.of_answer(library.ask(COST)))
    (cited,) = got["citations"]
    text = client.get(f"/api/articles/{cited['article_id']}").json()["text"]
    assert text[cited["start"] : cited["end"]] == cited["quote"]


def test_follow_up_and_filters(client: httpx.Client, library: Library) -> None:
    history = [{"question": "When did the harbour wall at Tellin reopen?", "answer": "Tuesday."}]
    asked = {"question": "How much did it cost?", "history": history, "publishers": ["Town News"]}
    got = client.post("/api/ask", json=asked).json()
    turns = [Turn(each["question"], each["answer"]) for each in history]
    expected = library.ask("How much did it cost?", turns, Filters(("Town News",)))
    assert without_times(got) == without_times(contract.of_answer(expected))
    assert "Tellin" in got["standalone_question"]


@pytest.mark.parametrize(("more", "accept"), [({"stream": True}, "*/*"), ({}, "text/event-stream")])
def test_stream_ends_with_the_final_answer(
    client: httpx.Client, more: dict[str, Any], accept: str
) -> None:
    headers = {"Accept": accept}
    whole = client.post("/api/ask", json={"question": COST}).json()
    with client.stream("POST", "/api/ask", json={"question": COST, **more}, headers=headers) as got:
        assert got.headers["content-type"].startswith("text/event-stream")
        assert got.headers["x-accel-buffering"] == "no"
        *before, (last, record) = events_of(got)
    assert last == "done"
    assert without_times(record) == without_times(whole)
    assert {name for name, _ in before} == {"answer"}
    assert all(record["status"] == "working" and "stage" in record for _, record in before)
    assert before[0][1]["text"] == "", "what is not known yet is no refusal"


def test_curl_shows_the_stream(app: tuple[str, Library]) -> None:
    needs_curl()
    asked = json.dumps({"question": COST, "stream": True})
    command = ["curl", "-sN", f"{app[0]}/api/ask", "--json", asked]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=LONG)
    assert done.stdout.startswith("event: answer\ndata: {")
    assert "event: done\ndata: {" in done.stdout
    assert "4.2 million crowns" in done.stdout.rpartition("event: done")[2]


def test_page_and_its_own_api_go_on_working(app: tuple[str, Library], client: httpx.Client) -> None:
    page = Client(app[0], verbose=False)
    thread = page.predict(COST, "", [], [], "", "", 0, api_name="/ask")[1]
    page.close()
    assert "4.2 million crowns" in thread
    assert client.get("/").headers["content-type"].startswith("text/html")
    assert client.get("/healthz").json() == {"status": "ok"}


# The line


def test_programs_wait_in_the_line_and_leave_it(tmp_path: Path) -> None:
    endless = Endless()
    with bare_api(tmp_path, endless, places=1) as (url, _), httpx.Client(timeout=LONG) as client:

        def asking(question: str) -> Any:
            body = {"question": question, "stream": True}
            return client.stream("POST", f"{url}/api/ask", json=body)

        with asking("endless harbour wall?") as first:
            working = events_of(first)
            assert next(working)[0] == "answer"
            with asking("harbour wall?") as second:
                waiting = events_of(second)
                assert next(waiting) == ("waiting", {"position": 1})
                third = client.post(f"{url}/api/ask", json={"question": "harbour?"})
                assert error_of(third, 503)["code"] == "line_full"
                assert int(third.headers["retry-after"]) > 0
                first.close()
                assert endless.stopped.wait(LONG), "who leaves ends the work"
                assert [name for name, _ in waiting][-1] == "done"


@pytest.mark.parametrize("path", ["/api/ask", "/v1/chat/completions"])
def test_who_waits_for_a_whole_answer_and_leaves_frees_the_place(tmp_path: Path, path: str) -> None:
    endless = Endless()
    with bare_api(tmp_path, endless, places=1) as (url, _):
        messages = [{"role": "user", "content": "endless harbour"}]
        body = {"question": "endless harbour"} if "ask" in path else {"model": "cited-qa"}
        more = {} if "ask" in path else {"messages": messages}
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(url + path, json=body | more, timeout=httpx.Timeout(LONG, read=1))
        assert endless.stopped.wait(LONG)
        answer = httpx.post(f"{url}/api/ask", json={"question": "harbour"}, timeout=LONG)
        assert answer.json()["status"] == "abstained"


# Articles


def test_articles_are_listed_and_read(client: httpx.Client, library: Library) -> None:
    first = client.get("/api/articles", params={"limit": 2}).json()
    rest = client.get("/api/articles", params={"offset": 2}).json()
    ids = [each["id"] for each in first["articles"] + rest["articles"]]
    assert ids == [listing.id for listing in library.articles()]
    assert first["total"] == len(ids)
    found = client.get("/api/articles", params={"words": "gazette"}).json()
    assert [each["id"] for each in found["articles"]] == ["harbour"]
    assert client.get("/api/articles/harbour").json() == contract.of_article(HARBOUR)
    passages = client.get("/api/articles/harbour/passages").json()["passages"]
    assert [p["text"] for p in passages] == [p.text for p in library.passages("harbour")]


def test_odd_ids_are_found_and_unknown_ones_are_not(client: httpx.Client) -> None:
    address = f"/api/articles/{quote(FOREIGN.id, safe='')}"
    assert client.get(address).json()["text"] == FOREIGN.text
    assert client.get(f"{address}/passages").json()["article_id"] == FOREIGN.id
    for unknown in ("none", "", "a%00b", "a/passages", "a%2Fpassages", "%FF", "x" * 2000):
        error = error_of(client.get(f"/api/articles/{unknown}"), 404)
        assert error["code"] == "article_not_found"
    error_of(client.delete("/api/articles/none"), 404)


def test_id_that_ends_like_another_address(client: httpx.Client) -> None:
    client.post("/api/articles", json={"id": "tombs/passages", "text": "The tombs are dry."})
    assert client.get("/api/articles/tombs%2Fpassages").json()["text"] == "The tombs are dry."
    error_of(client.get("/api/articles/tombs/passages"), 404)
    inside = client.get("/api/articles/tombs%2Fpassages/passages").json()
    assert inside["article_id"] == "tombs/passages"
    assert client.delete("/api/articles/tombs/passages").json()["removed"] == 1


def test_articles_are_added_and_deleted(client: httpx.Client) -> None:
    one = {"id": "geese/1", "text": "The geese came back on Monday.", "published": "2031-01-02"}
    added = client.post("/api/articles", json=one).json()
    assert added["articles"] == [{"id": "geese/1", "title": one["text"], "status": "added"}]
    several = client.post("/api/articles", json=[one, {"text": " "}, 7, {"text": "Two."}]).json()
    assert (several["unchanged"], several["added"]) == (1, 1)
    assert [each["source"] for each in several["failed"]] == ["articles[1]", "articles[2]"]
    for change in several["articles"]:
        removed = client.delete(f"/api/articles/{quote(change['id'])}").json()
        assert removed == {"removed": 1, "articles": [change | {"status": "removed"}]}
    error_of(client.get("/api/articles/geese/1"), 404)


def test_files_are_added(client: httpx.Client, library: Library) -> None:
    files = [
        ("files", ("../../swans.txt", b"The swans stayed all winter.")),
        ("files", ("broken.pdf", b"no pdf")),
    ]
    form = {"articles": json.dumps({"id": "ducks", "text": "The ducks left."})}
    added = client.post("/api/articles", files=files, data=form).json()
    assert added["added"] == 2
    (failed,) = added["failed"]
    assert failed["source"] == "broken.pdf"
    assert str(library.path) not in json.dumps(added)
    for change in added["articles"]:
        assert client.delete(f"/api/articles/{change['id']}").status_code == 200
    again = error_of(client.post("/api/articles", files=files[1:]), 422)
    assert again["failed"][0]["source"] == "broken.pdf"


def test_file_of_another_kind_stops_no_other(client: httpx.Client, library: Library) -> None:
    files = [("files", ("tool.exe", b"MZ")), ("files", ("ok.md", b"The otters swam upstream."))]
    added = client.post("/api/articles", files=files).json()
    assert [each["source"] for each in added["failed"]] == ["tool.exe"]
    (change,) = added["articles"]
    listed = client.get("/api/articles").json()["articles"]
    assert {each["id"]: each["source"] for each in listed}[change["id"]] == "ok.md"
    assert str(library.path) not in json.dumps([added, listed])
    assert client.delete(f"/api/articles/{change['id']}").json()["removed"] == 1


def test_file_that_gave_no_article_is_not_kept(client: httpx.Client, library: Library) -> None:
    files = [("files", ("bad.pdf", b"no pdf")), ("files", ("moles.md", b"The moles dug deep."))]
    uploads = library.path / "uploads"
    error_of(client.post("/api/articles", files=files[:1]), 422)
    assert [*uploads.iterdir()] == []
    with library.place.writing():
        error_of(client.post("/api/articles", files=files[1:]), 409)
    assert [*uploads.iterdir()] == []
    (change,) = client.post("/api/articles", files=files).json()["articles"]
    (folder,) = uploads.iterdir()
    assert [each.name for each in folder.iterdir()] == ["moles.md"]
    assert client.post("/api/articles", files=files[1:]).json()["unchanged"] == 1
    assert folder.exists(), "what was added before stays"
    client.delete(f"/api/articles/{change['id']}")


def test_library_with_another_writer_is_told(client: httpx.Client, library: Library) -> None:
    with library.place.writing():
        for response in (
            client.delete("/api/articles/harbour"),
            client.post("/api/articles", json={"text": "The geese came back."}),
        ):
            error = error_of(response, 409)
            assert error["code"] == "library_locked"
            assert str(library.path) not in error["message"]
            assert "process " not in error["message"].replace("Another process", "")
            assert response.headers["retry-after"]
    assert client.get("/api/articles/harbour").status_code == 200


def test_arguments_of_a_command_are_told_to_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = ["/usr/bin/qa", "add", "https://user:password@intranet/feed"]
    monkeypatch.setattr(sys, "argv", command)
    with make_library(tmp_path) as library, library.place.writing():
        assert "intranet" not in (library.path / "writer.json").read_text("utf-8")
        with pytest.raises(LockedError, match=r"\(qa add, since"):
            library.remove(["harbour"])


# What cannot be used


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/ask", '{"question": "\\ud800"}'),
        ("/api/ask", '{"question": "a\\u0000b"}'),
        ("/api/ask", '{"question": null}'),
        ("/api/ask", '{"question": "  "}'),
        ("/api/ask", "{}"),
        ("/api/ask", "[]"),
        ("/api/ask", '{"question": "a", "nonsense": 1}'),
        ("/api/ask", '{"question": "a", "after": "soon"}'),
        ("/api/ask", '{"question": "a", "after": 0}'),
        ("/api/ask", '{"question": "a", "history": [{"question": "b", "answer": "\\udfff"}]}'),
        ("/api/ask", json.dumps({"question": "why " * 2000})),
        ("/api/search", '{"q": "a", "k": 0}'),
        ("/api/search", '{"q": "a", "k": 1001}'),
        ("/api/search", '{"q": "a", "k": 1e400}'),
        ("/api/search", '{"q": "a", "publishers": ["\\u0000"]}'),
        ("/api/articles", '{"text": "a\\u0000b"}'),
        ("/api/articles", '{"text": "a", "\\ud800": 1}'),
        ("/api/articles", '{"text": "a", "id": 1e400}'),
        ("/api/articles", "[]"),
        ("/api/articles", '{"text": "a", "id": []}'),
        ("/api/articles", '{"text": "a", "id": "\\u202e"}'),
    ],
)
def test_what_cannot_be_used_is_told(client: httpx.Client, path: str, body: str) -> None:
    headers = {"Content-Type": "application/json"}
    error = error_of(client.post(path, content=body, headers=headers), 422)
    assert "\n" not in error["message"]


@pytest.mark.parametrize("path", ["/api/ask", "/api/search", "/api/articles"])
@pytest.mark.parametrize("body", [b"{", b"\xff", b"[" * 100_000, b'{"k": ' + b"1" * 9999 + b"}"])
def test_what_is_no_json_is_told(client: httpx.Client, path: str, body: bytes) -> None:
    error_of(client.post(path, content=body, headers={"Content-Type": "application/json"}), 400)


@pytest.mark.parametrize(
    ("given", "param"),
    [
        ({}, "q"),
        ({"q": "a\0b"}, "q"),
        ({"q": " "}, "q"),
        ({"q": "a", "k": "many"}, "k"),
        ({"q": "a", "publishers": "Town News"}, "publishers"),
        ({"q": "a", "after": "2024-13-01"}, "after"),
        ({"q": "a", "before": "20240101"}, "before"),
        ({"q": "a", "article": "\0"}, "article.0"),
    ],
)
def test_parameters_that_cannot_be_used(
    client: httpx.Client, given: dict[str, Any], param: str
) -> None:
    assert error_of(client.get("/api/search", params=given), 422)["param"] == param


def test_bodies_that_are_too_large_are_refused(client: httpx.Client) -> None:
    headers = {"Content-Type": "application/json"}
    announced = client.post("/api/ask", content=b"x" * 1_000_001, headers=headers)
    error_of(announced, 413)
    chunked = client.post("/api/ask", content=iter([b"x" * 400_000] * 3), headers=headers)
    error_of(chunked, 413)
    large = {"id": "large", "text": "A goose.", "notes": "x" * 1_100_000}
    assert client.post("/api/articles", json=large).status_code == 200, "articles may be larger"
    client.delete("/api/articles/large")


def test_address_that_is_not_there(client: httpx.Client) -> None:
    for path in ("/api", "/api/", "/api/none", "/v1/none", "/api/search/"):
        error_of(client.get(path), 404)
    wrong = client.put("/api/search")
    error_of(wrong, 405)
    assert "GET" in wrong.headers["allow"]


def test_unexpected_error_is_an_id(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    class Fails:
        name = "fails"

        def generate(self, question: str, hits: Any) -> Iterator[Any]:
            raise ValueError("secret: /etc/passwd")

    with bare_api(tmp_path, Fails()) as (url, _), caplog.at_level(logging.ERROR):
        error = error_of(httpx.post(f"{url}/api/ask", json={"question": "harbour"}), 500)
        body = {"question": "harbour", "stream": True}
        *_, (name, record) = events_of(httpx.post(f"{url}/api/ask", json=body))
    assert "secret" not in error["message"]
    assert error["type"] == "server_error"
    assert (name, record["error"]["type"]) == ("error", "server_error")


def test_damaged_library_is_a_line(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with bare_api(tmp_path) as (url, library):
        (library.path / "catalog.db").write_bytes(b"not a database" * 1000)
        for name in ("catalog.db-wal", "catalog.db-shm"):
            (library.path / name).unlink(missing_ok=True)
        library.close()
        error_of(httpx.post(f"{url}/api/ask", json={"question": "harbour"}), 503)
        told = error_of(httpx.get(f"{url}/api/search", params={"q": "harbour"}), 503)["message"]
    assert str(tmp_path) not in told
    assert f"{told.rpartition(' ')[2]}: The catalog {tmp_path}" in caplog.text


# Who may


def test_keys_open_the_door(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    keys = (KEY, OTHER_KEY)
    with bare_api(tmp_path, api_keys=keys) as (url, _), caplog.at_level(logging.DEBUG):
        where, elsewhere = f"{url}/api/articles", {"X-Forwarded-For": "203.0.113.9"}
        for given in (
            {"Authorization": f"Bearer {KEY}"},
            {"Authorization": f"bearer  {OTHER_KEY}"},
            {"X-API-Key": OTHER_KEY, "Host": "qa.example.org"},
        ):
            assert httpx.get(where, headers=given | elsewhere).status_code == 200
        for wrong in ({}, {"X-API-Key": KEY[:-1]}, {"Authorization": f"Basic {KEY}"}):
            refused = httpx.get(where, headers=wrong)
            assert error_of(refused, 401)["type"] == "authentication_error"
            assert refused.headers["www-authenticate"] == "Bearer"
        key = {"X-API-Key": KEY}
        added = httpx.post(where, json={"text": "The geese came back."}, headers=key | elsewhere)
        assert added.json()["added"] == 1
        document = httpx.get(f"{url}/api/openapi.json", headers=key).json()
        assert set(document["components"]["securitySchemes"]) == {"HTTPBearer", "APIKeyHeader"}
    assert KEY not in caplog.text
    assert OTHER_KEY not in caplog.text


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "evil.example:7860"},
        {"X-Forwarded-For": "203.0.113.9"},
        {"Forwarded": "for=203.0.113.9"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
    ],
)
def test_without_keys_only_programs_of_this_machine_come_in(
    client: httpx.Client, headers: dict[str, str]
) -> None:
    error = error_of(client.get("/api/articles", headers=headers), 403)
    assert "QA_API_KEYS" in error["message"]
    assert client.get("/api/articles", headers={"Host": "localhost:7860"}).status_code == 200


def test_without_keys_nobody_comes_in_where_it_listens_for_all(tmp_path: Path) -> None:
    with bare_api(tmp_path, host="0.0.0.0") as (url, _):
        error_of(httpx.get(f"{url}/api/articles"), 403)
        error_of(httpx.get(f"{url}/v1/models"), 403)


@pytest.mark.parametrize(
    "settings",
    [
        {"read_only": True},
        {"read_only": True, "api_keys": [KEY]},
        {"sign_in": {"ada": "correct horse"}},
    ],
)
def test_nothing_is_changed_where_that_is_not_allowed(
    tmp_path: Path, settings: dict[str, Any]
) -> None:
    with bare_api(tmp_path, **settings) as (url, _):
        headers = {"X-API-Key": KEY}
        sent = httpx.post(f"{url}/api/articles", json={"text": "Geese."}, headers=headers)
        assert error_of(sent, 403)["code"] == "read_only"
        error_of(httpx.delete(f"{url}/api/articles/harbour", headers=headers), 403)
        assert httpx.get(f"{url}/api/articles/harbour", headers=headers).status_code == 200


def test_page_of_another_site_needs_a_key(tmp_path: Path) -> None:
    foreign = {"Sec-Fetch-Site": "cross-site", "Origin": "https://other.example"}
    with whole_app(tmp_path, api_keys=[KEY]) as (url, _):
        refused = httpx.post(f"{url}/api/ask", json={"question": COST}, headers=foreign)
        error_of(refused, 401)
        taken = httpx.post(
            f"{url}/api/ask", json={"question": COST}, headers=foreign | {"X-API-Key": KEY}
        )
        assert taken.status_code == 200
        elsewhere = httpx.post(f"{url}/gradio_api/upload", headers=foreign)
        assert elsewhere.status_code == 403
        for response in (refused, taken, elsewhere):
            assert response.headers["x-content-type-options"] == "nosniff"
        error_of(httpx.post(f"{url}/metrics", headers={"X-API-Key": KEY}), 405)


@pytest.mark.parametrize(
    ("key", "why"), [("short", "fewer than 16 characters"), ("schlüssel" * 3, "of ASCII")]
)
def test_key_that_is_of_no_use_is_refused(tmp_path: Path, key: str, why: str) -> None:
    library, line = make_library(tmp_path, api_keys=[key]), Line(1, 1)
    talking = Chat(library)
    with pytest.raises(SettingsError, match=why) as raised:
        api.build(talking, line)
    assert key not in str(raised.value)
    line.close()
    talking.close()


# How often


def test_more_requests_than_allowed_are_refused(tmp_path: Path) -> None:
    with bare_api(tmp_path, api_rate=3, api_keys=[KEY, OTHER_KEY]) as (url, _):
        where, mine = f"{url}/api/articles", {"X-API-Key": KEY}
        for left in (2, 1, 0):
            taken = httpx.get(where, headers=mine)
            assert taken.headers["ratelimit-limit"] == "3"
            assert taken.headers["ratelimit-remaining"] == str(left)
        refused = httpx.get(where, headers=mine)
        assert error_of(refused, 429)["type"] == "rate_limit_error"
        assert 0 < int(refused.headers["retry-after"]) <= 60
        assert httpx.get(where, headers={"X-API-Key": OTHER_KEY}).status_code == 200
        statuses = [httpx.get(where, headers={"X-API-Key": "a guess"}).status_code for _ in "1234"]
        assert statuses == [401, 401, 401, 429], "who guesses is slowed down"
        assert httpx.get(where, headers={"X-API-Key": OTHER_KEY}).status_code == 200


def test_invented_addresses_do_not_lift_the_limit(tmp_path: Path) -> None:
    with bare_api(tmp_path, api_rate=1, api_keys=[KEY]) as (url, _):

        def guess(address: str) -> int:
            headers = {"X-API-Key": "a guess", "X-Forwarded-For": address}
            return httpx.get(f"{url}/api/articles", headers=headers).status_code

        assert [guess(f"2001:db8::{last}") for last in "12"] == [401, 429], "one network"
        others = [guess(f"203.0.113.{last}") for last in range(21)]
        assert others == [401] * 19 + [429] * 2
        assert httpx.get(f"{url}/api/articles", headers={"X-API-Key": KEY}).status_code == 200


def test_what_is_counted_is_forgotten() -> None:
    now = 0.0
    rate = doors.Rate(2, clock=lambda: now)
    for number in range(doors.MOST_NAMES + 5):
        assert rate.take(str(number))[0]
    assert len(rate) == doors.MOST_NAMES
    assert rate.take("a")[1]["RateLimit-Remaining"] == "1"
    now = 59.0
    assert [rate.take("a")[0] for _ in "12"] == [True, False]
    now = 60.0
    assert rate.take("a")[0], "the first one is sixty seconds ago"
    assert len(rate) == 1


def test_health_is_not_limited(tmp_path: Path) -> None:
    with whole_app(tmp_path, api_rate=1, sign_in={"ada": "correct horse"}) as (url, _):
        assert {httpx.get(f"{url}/healthz").status_code for _ in "1234"} == {200}
        assert httpx.get(f"{url}/api/articles").status_code == 200
        error_of(httpx.get(f"{url}/api/articles"), 429)
        assert httpx.get(f"{url}/config").status_code == 401, "the page asks for sign-in"
        signed_in = Client(url, auth=("ada", "correct horse"), verbose=False)
        thread = signed_in.predict(COST, "", [], [], "", "", 0, api_name="/ask")[1]
        assert "4.2 million crowns" in thread
        signed_in.close()
