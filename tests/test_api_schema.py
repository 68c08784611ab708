"""The OpenAPI document against the API: what it promises is what comes, and nothing breaks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import schemathesis
from api_server import KEY, bare_api
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import ignored_auth, positive_data_acceptance

HEADERS = {"X-API-Key": KEY}
OPERATIONS = [
    ("GET", "/api/search"),
    ("POST", "/api/search"),
    ("POST", "/api/ask"),
    ("GET", "/api/articles"),
    ("POST", "/api/articles"),
    ("GET", "/api/articles/{id}"),
    ("DELETE", "/api/articles/{id}"),
    ("GET", "/api/articles/{id}/passages"),
    ("GET", "/v1/models"),
    ("GET", "/v1/models/{model}"),
    ("POST", "/v1/chat/completions"),
]
MODES = [GenerationMode.POSITIVE, GenerationMode.NEGATIVE]


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with bare_api(tmp_path_factory.mktemp("schema"), api_keys=[KEY], api_rate=1_000_000) as (
        running,
        _,
    ):
        yield running


@pytest.fixture(scope="module")
def document(url: str) -> Any:
    return schemathesis.openapi.from_url(f"{url}/api/openapi.json", headers=HEADERS)


def left_out(case: Any) -> list[Any]:
    """Each request carries a right key: whether one is asked for is tested elsewhere.

    No schema tells which files hold an article, and that one message must be the user's.
    """
    is_free = case.media_type == "multipart/form-data" or "completions" in case.path
    return [ignored_auth, *([positive_data_acceptance] if is_free else [])]


def send(document: Any, method: str, path: str, mode: GenerationMode, examples: int) -> None:
    """Sends cases, the same every time, and checks what comes against the document."""

    @settings(
        max_examples=examples,
        derandomize=True,
        deadline=None,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=document[path][method].as_strategy(generation_mode=mode))
    def check(case: Any) -> None:
        response = case.call(headers=HEADERS)
        if response.text == "Invalid HTTP request received.":
            return  # a header that is none has not come further than the web server
        case.validate_response(response, excluded_checks=left_out(case))

    check()


def test_document_tells_of_the_api_and_of_nothing_else(url: str) -> None:
    told = httpx.get(f"{url}/api/openapi.json", headers=HEADERS).json()
    found = [(method.upper(), path) for path, item in told["paths"].items() for method in item]
    assert sorted(found) == sorted(OPERATIONS)
    for operations in told["paths"].values():
        for operation in operations.values():
            assert operation["description"]
            assert {"200", "401", "403", "422", "429", "503"} <= operation["responses"].keys()
            assert operation["security"]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_what_comes_is_what_the_document_promises(
    document: Any, method: str, path: str, mode: GenerationMode
) -> None:
    send(document, method, path, mode, 6)


@pytest.mark.slow
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_nothing_breaks_for_long(
    document: Any, method: str, path: str, mode: GenerationMode
) -> None:
    send(document, method, path, mode, 150)
