"""The MCP server as clients meet it: the official client over pipes and HTTP, and wrong ones."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from conftest import HARBOUR, LIBRARY
from mcp import Client, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client
from pydantic import SecretStr
from starlette.responses import PlainTextResponse

from qa import cli
from qa.integrations import build_mcp_server
from qa.integrations.serving import Door
from qa.library import Library
from qa.settings import Settings
from qa.testing import FirstSentence, WordEmbedder

READING = {"search_articles", "ask_articles", "read_article", "list_articles"}
KEY = "a key for the tests"
HELLO = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": {"name": "a test", "version": "1"},
    },
}
HEADERS = {"Accept": "application/json, text/event-stream"}

Talk = Callable[[Client], Coroutine[Any, Any, None]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library over the real model, which the servers open."""
    path = tmp_path_factory.mktemp("mcp") / "library"
    with Library(Settings(library=path)) as library:
        library.add([HARBOUR, LIBRARY])
    return path


def command(folder: Path, *options: str) -> list[str]:
    return [sys.executable, "-m", "qa.cli", "--library", str(folder), "mcp", *options]


def environment(**more: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent), **more}


def over_pipes(folder: Path, talk: Talk, *options: str) -> None:
    program, *arguments = command(folder, *options)
    server = StdioServerParameters(command=program, args=arguments, env=environment())

    async def main() -> None:
        async with Client(server, read_timeout_seconds=60) as client:
            await talk(client)

    asyncio.run(main())


def with_key(url: str, key: str, talk: Talk) -> None:
    async def main() -> None:
        async with create_mcp_http_client(
            {"Authorization": f"Bearer {key}"} if key else {}
        ) as http:
            transport = streamable_http_client(url, http_client=http)
            async with Client(transport, read_timeout_seconds=60) as client:
                await talk(client)

    asyncio.run(main())


@contextmanager
def over_http(folder: Path, **more: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """A server on a free port: its address and the process, which is ended by Ctrl-C."""
    started = subprocess.Popen(
        command(folder, "--http", "--port", "0"),
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment(**more),
    )
    with started:
        try:
            assert started.stderr is not None
            line = started.stderr.readline()
            found = re.search(r"http://\S+/mcp", line)
            assert found, line
            yield found.group(), started
        finally:
            started.send_signal(signal.SIGINT)
            said, messages = started.communicate(timeout=20)
    assert started.returncode == 0, messages
    assert said == ""
    assert "Traceback" not in messages


def test_a_client_asks_searches_reads_and_cites(folder: Path) -> None:
    async def talk(client: Client) -> None:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        assert set(tools) == READING
        for tool in tools.values():
            assert tool.annotations
            assert tool.annotations.read_only_hint
            assert tool.output_schema
            assert tool.description
        assert "exact words" in (client.instructions or "")

        asked = await client.call_tool("ask_articles", {"question": "What did the work cost?"})
        answer, shown = asked.structured_content, asked.content[0].text  # type: ignore[union-attr]
        assert answer
        assert answer["status"] == "answered"
        assert "4.2 million crowns" in answer["text"]
        assert "[1] Harbour wall reopens · Check Gazette · 2031-03-04" in shown
        for cited in answer["citations"]:
            place = {"id": cited["article_id"], "start": cited["start"], "end": cited["end"]}
            read = await client.call_tool("read_article", place)
            assert read.structured_content
            assert read.structured_content["text"] == cited["quote"]
            assert cited["quote"] in read.content[0].text  # type: ignore[union-attr]

        wanted = {"query": "opening hours", "publishers": ["Town News"], "after": "2031-04-01"}
        found = (await client.call_tool("search_articles", wanted)).structured_content
        assert found
        assert [hit["article_id"] for hit in found["hits"]] == ["library"]
        listed = (await client.call_tool("list_articles", {"words": "harbour"})).structured_content
        assert listed
        assert [each["id"] for each in listed["articles"]] == ["harbour"]
        no = await client.call_tool("ask_articles", {"question": "Who won the chess tournament?"})
        assert no.structured_content
        assert no.structured_content["status"] == "abstained"
        assert no.structured_content["citations"] == []

    over_pipes(folder, talk)


@pytest.mark.parametrize(
    ("tool", "arguments", "told"),
    [
        ("ask_articles", {"question": "  "}, "The question is empty. Type some words."),
        ("ask_articles", {"question": "x" * 5000}, "at most 4,000"),
        ("search_articles", {"query": "wall", "k": 1000}, "k: Input should be less than"),
        (
            "search_articles",
            {"query": "wall", "after": "soon"},
            "after: give a day like 2024-05-31.",
        ),
        (
            "search_articles",
            {"query": "wall", "after": "2024"},
            "after: give a day like 2024-05-31.",
        ),
        ("search_articles", {"query": "wall", "before": 86400}, "before: Input should be a valid"),
        ("search_articles", {"query": "wall", "foo": 1}, "search_articles knows no foo. It takes:"),
        ("search_articles", {}, "query: Field required"),
        ("read_article", {"id": "nowhere"}, "nowhere. See the ids with: list_articles"),
        ("read_article", {"id": "harbour", "start": 9999}, "Nothing stands from 9999 on: there"),
        ("remove_article", {"id": "harbour"}, "Unknown tool"),
    ],
)
def test_what_a_caller_can_mend_is_one_line(
    library: Library, tool: str, arguments: dict[str, Any], told: str
) -> None:
    async def main() -> None:
        async with Client(build_mcp_server(library)) as client:
            result = await client.call_tool(tool, arguments)
            assert result.is_error
            text = result.content[0].text  # type: ignore[union-attr]
            assert told in text
            assert "\n" not in text

    asyncio.run(main())


def test_a_long_article_is_read_in_pieces(library: Library) -> None:
    text = "A sentence of a very long report, number one. " * 1500

    async def main() -> None:
        async with Client(build_mcp_server(library, writing=True)) as client:
            added = await client.call_tool("add_article", {"text": text, "title": "Report"})
            assert added.structured_content
            key, parts, start = added.structured_content["id"], "", 0
            while start < len(text):
                place = {"id": key, "start": start}
                piece = (await client.call_tool("read_article", place)).structured_content
                assert piece
                assert piece["characters"] == len(text)
                parts, start = parts + piece["text"], piece["end"]
            assert parts == text

    asyncio.run(main())


def test_articles_are_added_and_removed_only_where_that_is_allowed(library: Library) -> None:
    article = {
        "text": "The ferry to Olm sails at noon.",
        "title": "Ferry",
        "url": "https://example.org/ferry",
        "published": "2031-06-01",
    }

    async def main() -> None:
        async with Client(build_mcp_server(library, writing=True)) as client:
            tools = {tool.name: tool for tool in (await client.list_tools()).tools}
            assert set(tools) == READING | {"add_article", "remove_article"}
            for name in ("add_article", "remove_article"):
                assert not tools[name].annotations.read_only_hint  # type: ignore[union-attr]
            added = (await client.call_tool("add_article", article)).structured_content
            again = (await client.call_tool("add_article", article)).structured_content
            assert added
            assert again
            assert (added["status"], again["status"]) == ("added", "unchanged")
            assert library.article(added["id"]).published == "2031-06-01"
            undated = await client.call_tool("add_article", {"text": "No date.", "title": "None"})
            assert undated.structured_content
            assert library.article(undated.structured_content["id"]).published is None
            empty = await client.call_tool("add_article", {"text": " ", "title": "Empty"})
            assert empty.is_error
            removed = await client.call_tool("remove_article", {"id": added["id"]})
            assert not removed.is_error
            assert added["id"] not in {each.id for each in library.articles()}

    asyncio.run(main())


def test_a_slow_answer_holds_nobody_up(tmp_path: Path) -> None:
    searched = threading.Event()

    class Waiting(FirstSentence):
        def generate(self, question: str, hits: Any) -> Any:
            assert searched.wait(20)
            return super().generate(question, hits)

    settings = Settings(library=tmp_path / "slow")
    with Library(settings, embedder=WordEmbedder(), generator=Waiting()) as library:
        library.add([HARBOUR])

        async def main() -> None:
            async with Client(build_mcp_server(library)) as client:
                asking = asyncio.create_task(
                    client.call_tool("ask_articles", {"question": "harbour wall"})
                )
                await client.call_tool("search_articles", {"query": "harbour"})
                searched.set()
                assert not (await asking).is_error

        asyncio.run(main())


def test_no_more_are_answered_at_once_than_there_are_cores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 1)  # two at least
    together, running, peak = threading.Barrier(2), threading.Semaphore(2), threading.Event()

    class Counting(FirstSentence):
        def generate(self, question: str, hits: Any) -> Any:
            if not running.acquire(blocking=False):
                peak.set()
            together.wait(20)
            yield from super().generate(question, hits)
            running.release()

    settings = Settings(library=tmp_path / "counted")
    with Library(settings, embedder=WordEmbedder(), generator=Counting()) as library:
        library.add([HARBOUR])

        async def main() -> None:
            async with Client(build_mcp_server(library)) as client:
                asking = [
                    client.call_tool("ask_articles", {"question": "harbour wall"}) for _ in range(6)
                ]
                answers = await asyncio.gather(*asking)
                assert not any(answer.is_error for answer in answers)

        asyncio.run(main())
    assert not peak.is_set()


def test_over_http_a_client_asks_and_foreign_names_are_refused(folder: Path) -> None:
    async def talk(client: Client) -> None:
        asked = await client.call_tool("ask_articles", {"question": "What did the work cost?"})
        assert asked.structured_content
        assert asked.structured_content["status"] == "answered"

    with over_http(folder) as (url, _):
        with_key(url, "", talk)
        for wrong in (
            {"Host": "evil.example"},
            {"Origin": "https://evil.example"},
            {"Origin": "http://localhost:3000"},  # another program's page
            {"X-Forwarded-For": "192.0.2.1"},
            {"Forwarded": "for=192.0.2.1"},
        ):
            refused = httpx.post(url, json=HELLO, headers={**HEADERS, **wrong})
            assert refused.status_code == 403, wrong
        own = {**HEADERS, "Origin": url.removesuffix("/mcp")}
        assert httpx.post(url, json=HELLO, headers=own).status_code == 200


def test_over_http_keys_are_asked_for_where_there_are_any(folder: Path) -> None:
    async def talk(client: Client) -> None:
        assert {tool.name for tool in (await client.list_tools()).tools} == READING

    with over_http(folder, QA_API_KEYS=json.dumps(["another of them all", KEY])) as (url, _):
        for given in ("", "Bearer", f"Bearer {KEY[:-1]}", f"Basic {KEY}", "Bearer ü"):
            headers = {**HEADERS, "Authorization": given} if given else HEADERS
            encoded = [(name.encode(), value.encode()) for name, value in headers.items()]
            refused = httpx.post(url, json=HELLO, headers=encoded)
            assert refused.status_code == 401, given
            assert KEY not in refused.text
        assert httpx.get(url, headers=HEADERS).status_code == 401
        with_key(url, KEY, talk)
        proxied = {"Host": "qa.example.org", "X-Forwarded-For": "192.0.2.1"}
        keyed = {**HEADERS, **proxied, "Authorization": f"Bearer {KEY}"}
        assert httpx.post(url, json=HELLO, headers=keyed).status_code == 200


def test_who_guesses_keys_is_slowed_down(tmp_path: Path) -> None:
    settings = Settings(library=tmp_path, api_keys=(SecretStr(KEY),), api_rate=2)

    async def inner(scope: Any, receive: Any, send: Any) -> None:
        await PlainTextResponse("passed on", 401)(scope, receive, send)

    async def main() -> None:
        told = httpx.ASGITransport(Door(inner, settings))
        async with httpx.AsyncClient(transport=told, base_url="http://test") as client:
            codes = [
                (await client.get("/mcp", headers={"Authorization": f"Bearer {guess}"})).status_code
                for guess in ("a", "b", "c")
            ]
        assert codes == [401, 401, 429]

    asyncio.run(main())


@pytest.mark.parametrize(
    ("given", "options", "told"),
    [
        ({"QA_API_KEYS": '["a"]'}, ["--http", "--host", "0.0.0.0"], "fewer than 16 characters"),
        ({"QA_READ_ONLY": "true"}, ["--allow-writing"], "QA_READ_ONLY is true"),
        ({"QA_READ_ONLY": "true"}, ["--allow-writing", "--http"], "QA_READ_ONLY is true"),
        ({}, ["--host", "127.0.0.1"], "--host and --port are for --http"),
        ({}, ["--port", "7000"], "--host and --port are for --http"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_a_line(
    given: dict[str, str],
    options: list[str],
    told: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    assert cli.run(["--library", str(tmp_path), "mcp", *options]) == 2
    said = capsys.readouterr().err
    assert told in said
    assert said.count("\n") == 1


def test_other_machines_are_served_only_with_keys(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    code = cli.run(["--library", str(tmp_path), "mcp", "--http", "--host", "0.0.0.0"])
    told = capsys.readouterr().err
    assert code == 2
    assert "QA_API_KEYS" in told
    assert told.count("\n") == 1


@pytest.mark.parametrize("by_variable", [False, True])
def test_a_port_that_is_taken_is_named(
    capsys: pytest.CaptureFixture[str],
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    by_variable: bool,
) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = str(taken.getsockname()[1])
        monkeypatch.setenv("QA_PORT", port if by_variable else "0")
        options = [] if by_variable else ["--port", port]
        code = cli.run(["--library", str(folder), "mcp", "--http", *options])
    told = capsys.readouterr().err
    assert code == 2
    assert f"port {port}" in told
    assert told.count("\n") == 1


def test_nothing_but_the_protocol_on_standard_output_and_ctrl_c_ends_it(folder: Path) -> None:
    call = {"name": "ask_articles", "arguments": {"question": "What did the work cost?"}}
    messages = [
        HELLO,
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": call},
    ]
    with subprocess.Popen(
        command(folder),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
    ) as server:
        assert server.stdin
        assert server.stdout
        server.stdin.write("no protocol at all\n")
        for message in messages:
            server.stdin.write(json.dumps(message) + "\n")
        server.stdin.flush()
        answers: dict[int, Any] = {}
        while 2 not in answers:
            said = json.loads(server.stdout.readline())
            assert said["jsonrpc"] == "2.0"
            answers[said.get("id")] = said
        assert answers[2]["result"]["structuredContent"]["status"] == "answered"
        server.send_signal(signal.SIGINT)
        assert server.wait(timeout=10) == 0
        assert server.stdout.read() == ""
        assert server.stderr
        assert "Traceback" not in server.stderr.read()


def test_without_the_package_one_line_says_how_to_install_it() -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys; sys.modules['mcp'] = None\nfrom qa.cli import run\nsys.exit(run(['mcp']))",
        ],
        capture_output=True,
        text=True,
        check=False,
        env=environment(),
    )
    assert done.returncode == 2
    assert "pip install 'cited-qa[mcp]'" in done.stderr
    assert done.stderr.count("\n") == 1
