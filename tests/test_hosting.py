"""Who may reach the chat and edit its library; readiness; what docs/hosting.md says holds."""

from __future__ import annotations

import json
import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import httpx
import pytest
import yaml
from browser.server import Chat, make_library
from playwright.sync_api import expect, sync_playwright
from pydantic import SecretStr

from qa.doors import is_public
from qa.errors import SettingsError
from qa.library import Library
from qa.settings import Settings, load_settings
from qa.testing import WordEmbedder
from qa.web import hosting
from qa.web.hosting import Readiness, authenticate, editable, ready

ROOT = Path(__file__).parents[1]
GUIDE = (ROOT / "docs" / "hosting.md").read_text("utf-8")
PASSWORD = "correct-horse"
CHROMIUM = Path("/usr/bin/chromium")
FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-background-networking "
    "--disable-component-update --disable-sync --no-first-run"
).split()


def settings_of(**given: Any) -> Settings:
    """Settings with ada's sign-in where ``sign_in`` is true."""
    if given.pop("sign_in", False):
        given["sign_in"] = {"ada": SecretStr(PASSWORD)}
    return Settings(**given)


# Reach


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "::1", "localhost", "::ffff:127.0.0.1"])
def test_loopback_is_not_public(host: str) -> None:
    assert not is_public(host)


@pytest.mark.parametrize(
    "host", ["0.0.0.0", "::", "", "192.168.1.4", "0", "no.such.invalid", "a" * 99]
)
def test_all_else_is_public(host: str) -> None:
    assert is_public(host)


def test_name_is_as_public_as_its_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", (at, 0)) for at in ("127.0.0.1", "10.1.1.1")
    ]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    assert is_public("box")
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found[:1])
    assert not is_public("box")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, True),
        ({"host": "0.0.0.0"}, False),
        ({"host": "0.0.0.0", "sign_in": True}, True),
        ({"host": "0.0.0.0", "read_only": False}, True),
        ({"read_only": True}, False),
        ({"sign_in": True, "read_only": True}, False),
    ],
)
def test_where_articles_can_be_edited(given: dict[str, Any], expected: bool) -> None:
    assert editable(settings_of(**given)) is expected


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"host": "127.0.0.1:7860"}, True),
        ({"Host": "localhost"}, True),
        ({"host": "[::1]:7860"}, True),
        ({"host": "qa.example.org"}, False),
        ({"host": "localhost.example.org:7860"}, False),
        ({"host": "[::1"}, False),
        ({}, False),
        ({"host": "127.0.0.1", "X-Forwarded-For": "192.0.2.7"}, False),
    ],
)
def test_request_of_another_machine_edits_nothing(headers: dict[str, str], expected: bool) -> None:
    assert editable(settings_of(), headers) is expected
    assert editable(settings_of(sign_in=True), headers)
    assert editable(settings_of(read_only=False), headers)


def test_warning_says_what_why_and_what_to_do() -> None:
    assert hosting.warnings(settings_of()) == []
    assert hosting.warnings(settings_of(host="0.0.0.0", sign_in=True)) == []
    (line,) = hosting.warnings(settings_of(host="0.0.0.0"))
    assert "0.0.0.0" in line
    assert "QA_SIGN_IN" in line
    assert "delete" not in line
    (line,) = hosting.warnings(settings_of(host="0.0.0.0", read_only=False))
    assert "add and delete" in line


def test_upload_limit_is_a_size_that_gradio_reads() -> None:
    from gradio.utils import _parse_file_size

    assert _parse_file_size(hosting.upload_limit(settings_of(upload_mb=3))) == 3 * 1024**2


# Sign-in


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"ada": "1234567"}, "at least 8 characters"),
        ({"": PASSWORD}, "a name is empty"),
        ({" ada": PASSWORD}, "white space"),
        ({"ada": 12345678}, "valid string"),
        (["ada", PASSWORD], "valid dictionary"),
    ],
)
def test_sign_in_that_protects_nothing_is_refused(
    given: object, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QA_SIGN_IN", json.dumps(given))
    with pytest.raises(SettingsError, match=reason) as error:
        load_settings()
    assert "QA_SIGN_IN" in str(error.value)
    assert "1234567" not in str(error.value)
    assert PASSWORD not in str(error.value)


def test_broken_sign_in_is_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QA_SIGN_IN", f"ada:{PASSWORD}")
    with pytest.raises(SettingsError, match="sign_in") as error:
        load_settings()
    assert PASSWORD not in str(error.value)


@pytest.mark.parametrize("megabytes", [0, 1001])
def test_upload_limit_is_bounded(megabytes: int) -> None:
    with pytest.raises(SettingsError, match="QA_UPLOAD_MB"):
        load_settings(upload_mb=megabytes)


def test_sign_in_from_a_file_never_shows_its_passwords(tmp_path: Path) -> None:
    (tmp_path / "qa.toml").write_text(f'read_only = true\n[sign_in]\nada = "{PASSWORD}"\n')
    settings = load_settings()
    assert settings.read_only is True
    assert PASSWORD not in f"{settings!r} {settings} {settings.model_dump()}"
    is_right = authenticate(settings)
    assert is_right
    assert is_right("ada", PASSWORD)


def test_only_the_right_password_signs_in() -> None:
    assert authenticate(settings_of()) is None
    is_right = authenticate(settings_of(sign_in=True))
    assert is_right
    for name, password in [
        ("ada", ""),
        ("ada", "wrong"),
        ("Ada", PASSWORD),
        ("", ""),
        ("é", "\ud800"),
    ]:
        assert not is_right(name, password)
    assert is_right("ada", PASSWORD)


def test_guessing_is_stopped_for_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    now = 0.0
    is_right = authenticate(settings_of(sign_in=True), lambda: now)
    assert is_right
    for _ in range(hosting.TRIES):
        assert not is_right("ada", "a guess")
    assert not is_right("ada", PASSWORD)
    now = hosting.MINUTE
    assert is_right("ada", PASSWORD)
    assert "a guess" not in caplog.text


# Readiness


def test_library_is_ready_when_it_can_be_searched(library: Library) -> None:
    assert ready(library) == (True, "ready")


def test_library_without_articles_is_ready(tmp_path: Path) -> None:
    path = tmp_path / "library"
    with Library(Settings(library=path), embedder=WordEmbedder()) as library:
        assert ready(library)[0]
        library.add([])
        assert ready(library)[0]


def test_reason_names_no_path(tmp_path: Path, library: Library) -> None:
    (tmp_path / "file").write_text("x")
    with Library(Settings(library=tmp_path / "file")) as wrong:
        assert ready(wrong) == (False, "The library is a file, and should be a folder.")
    with Library(Settings(library=library.path, embedding_model="no/such")) as other:
        ok, reason = ready(other)
    assert not ok
    library.close()
    (library.path / "catalog.db").write_bytes(b"not a database" * 1000)
    for name in ("catalog.db-wal", "catalog.db-shm"):
        (library.path / name).unlink(missing_ok=True)
    broken, broken_reason = ready(library)
    assert not broken
    for line in (reason, broken_reason):
        assert "\n" not in line
        assert str(tmp_path) not in line
        assert "qa doctor" in line


class Counted(WordEmbedder):
    asked = 0

    def embed_query(self, text: str) -> Any:
        self.asked += 1
        return super().embed_query(text)


def test_asking_often_costs_nothing(tmp_path: Path, library: Library) -> None:
    now, embedder = 0.0, Counted()
    with Library(Settings(library=library.path), embedder=embedder) as opened:
        readiness = Readiness(opened, lambda: now)
        assert [readiness() for _ in range(3)] == [(True, "ready")] * 3
        assert embedder.asked == 1
        now = hosting.KEPT
        readiness()
        assert embedder.asked == 2
        begun = time.perf_counter()
        for _ in range(1000):
            readiness()
        assert time.perf_counter() - begun < 0.5


# The running app

SECRET = "How many homes were flooded?"
OPEN = [  # what anybody may fetch: that the process runs, and what the login page is made of
    *("/healthz", "/readyz", "/static-qa/chat.css", "/theme.css"),
    *("/gradio_api/startup-events", "/gradio_api/app_id"),
]
CLOSED = [
    *("/config", "/gradio_api/info", "/gradio_api/openapi.json", "/gradio_api/queue/status"),
    *("/gradio_api/queue/data?session_hash=x", "/gradio_api/upload_progress?upload_id=x"),
    *("/gradio_api/file=/etc/hostname", "/gradio_api/deep_link?session_hash=x", "/monitoring"),
]
CLOSED_POSTS: list[tuple[str, dict[str, Any]]] = [
    ("queue/join", {"json": {"fn_index": 0, "data": [SECRET], "session_hash": "x"}}),
    ("call/ask", {"json": {"data": [SECRET]}}),
    ("run/ask", {"json": {"data": [SECRET]}}),
    ("upload", {"files": {"files": ("a.txt", b"An article.")}}),
    ("component_server", {"json": {}}),
]


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chat]:
    """The chat with ada's sign-in."""
    library = make_library(tmp_path_factory.mktemp("guarded"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("QA_SIGN_IN", json.dumps({"ada": PASSWORD}))
        started = Chat(library)
    yield started
    started.stop()


def sign_in(chat: Chat, name: str, password: str) -> httpx.Response:
    return httpx.post(chat.url + "/login", data={"username": name, "password": password})


def test_without_sign_in_only_the_login_page_is_open(guarded: Chat) -> None:
    assert {path: httpx.get(guarded.url + path).status_code for path in OPEN} == dict.fromkeys(
        OPEN, 200
    )
    assert {path: httpx.get(guarded.url + path).status_code for path in CLOSED} == dict.fromkeys(
        CLOSED, 401
    )
    page = httpx.get(guarded.url)
    assert '"auth_required":true' in page.text
    assert "Tellin" not in page.text


@pytest.mark.parametrize(("path", "given"), CLOSED_POSTS, ids=[path for path, _ in CLOSED_POSTS])
def test_without_sign_in_nothing_can_be_sent(
    guarded: Chat, path: str, given: dict[str, Any]
) -> None:
    assert httpx.post(f"{guarded.url}/gradio_api/{path}", **given).status_code == 401


def test_cookie_of_the_right_password_opens_the_page(guarded: Chat) -> None:
    for name, password in (("ada", "wrong-horse"), ("ida", PASSWORD)):
        response = sign_in(guarded, name, password)
        assert response.status_code == 400
        assert not response.cookies
    response = sign_in(guarded, "ada", PASSWORD)
    assert "HttpOnly" in response.headers["set-cookie"]
    cookies = {
        cookie.split("=")[0]: cookie.split("=")[1].split(";")[0]
        for cookie in response.headers.get_list("set-cookie")
    }
    config = httpx.get(guarded.url + "/config", cookies=cookies)
    assert config.status_code == 200
    assert PASSWORD not in "".join(guarded.lines)


@pytest.mark.skipif(
    not CHROMIUM.exists(), reason="needs Debian's Chromium: apt-get install -y chromium"
)
def test_signing_in_by_hand(guarded: Chat) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page, requested = browser.new_page(), list[str]()
        page.on("request", lambda each: requested.append(each.url))
        page.goto(guarded.url)
        for password in ("wrong-horse", PASSWORD):
            expect(page.locator(".qa-welcome")).to_have_count(0)
            page.locator("input").nth(0).fill("ada")  # both are emptied after a wrong one
            page.locator("input[type=password]").fill(password)
            page.get_by_role("button", name="Login").click()
            if password != PASSWORD:
                expect(page.get_by_text("Incorrect Credentials")).to_be_visible()
        expect(page.locator(".qa-welcome")).to_be_visible(timeout=30_000)
        own = (guarded.url + "/", "data:", "blob:" + guarded.url)
        assert [address for address in requested if not address.startswith(own)] == []
        browser.close()


def test_readiness_over_http(tmp_path: Path) -> None:
    library = make_library(tmp_path)
    started = Chat(library)
    try:
        response = httpx.get(started.url + "/readyz")
        assert (response.status_code, response.json()["status"]) == (200, "ready")
        (library / "catalog.db").write_bytes(b"not a database" * 1000)
        for name in ("catalog.db-wal", "catalog.db-shm"):
            (library / name).unlink(missing_ok=True)
        time.sleep(hosting.KEPT)
        response = httpx.get(started.url + "/readyz")
        assert (response.status_code, response.json()["status"]) == (503, "not ready")
        assert str(library) not in response.text
    finally:
        assert started.stop() == 0


def test_public_address_without_sign_in_is_warned_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QA_HOST", "0.0.0.0")
    started = Chat(make_library(tmp_path))
    started.stop()
    assert "nobody has to sign in" in "".join(started.lines)


# The guide


def front_matter() -> dict[str, Any]:
    block = re.search(r"```yaml\n *---\n(.+?\n) *---\n *```", GUIDE, re.DOTALL)
    assert block
    return dict(yaml.safe_load(dedent(block[1])))


def test_space_runs_what_is_here() -> None:
    given = front_matter()
    pins = dict(re.findall(r"^(\S+)==(\S+)$", (ROOT / "constraints.txt").read_text(), re.MULTILINE))
    assert given["sdk"] == "gradio"
    assert str(given["sdk_version"]) == pins["gradio"]
    assert (ROOT / given["app_file"]).is_file()
    assert str(given["python_version"]) == "3.11"


def test_guide_names_settings_that_exist() -> None:
    named = {name.lower() for name in re.findall(r"\bQA_(\w+)", GUIDE)}
    assert {"sign_in", "read_only", "upload_mb"} <= named
    assert named <= set(Settings.model_fields)


def dockerfile() -> Iterator[tuple[str, str]]:
    text = (ROOT / "Dockerfile").read_text("utf-8").replace("\\\n", " ")
    for line in text.splitlines():
        if line and not line.startswith("#"):
            word, _, rest = line.partition(" ")
            yield word, rest


def test_image_installs_the_lock_and_runs_as_nobody_special() -> None:
    steps = list(dockerfile())
    runs = " ".join(rest for word, rest in steps if word == "RUN")
    pins = (ROOT / "constraints.txt").read_text("utf-8")
    torch = re.search(r"torch==(\S+)", runs)
    assert torch
    assert f"torch=={torch[1]}\n" in pins
    assert runs.index("torch==") < runs.index("-c constraints.txt")
    words = [word for word, _ in steps]
    assert words.index("USER") < words.index("CMD")
    assert {"VOLUME", "HEALTHCHECK"} <= set(words)
    for name in re.findall(r"\bQA_(\w+)", (ROOT / "Dockerfile").read_text("utf-8")):
        assert name.lower() in Settings.model_fields
    for word, rest in steps:
        if word == "COPY" and "--from" not in rest:
            for source in rest.split()[:-1]:
                assert source.startswith("--") or (ROOT / source).exists()
