"""``compose.yaml`` and what it mounts name what exists; Docker itself is not needed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from qa.settings import Settings

ROOT = Path(__file__).parent.parent
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8"))
CADDYFILE = (ROOT / "deploy" / "Caddyfile").read_text("utf-8")
APPS = [name for name, each in COMPOSE["services"].items() if "build" in each]


def test_the_app_is_there_twice_and_the_proxy_leads_to_both() -> None:
    assert len(APPS) == 2
    assert {*APPS, "proxy", "postgres", "chroma"} <= set(COMPOSE["services"])
    upstreams = re.search(r"reverse_proxy (.+) \{", CADDYFILE)
    assert upstreams is not None
    assert upstreams[1].split() == [f"{name}:{Settings().port}" for name in APPS]


@pytest.mark.parametrize("app", APPS)
def test_every_setting_is_one(app: str) -> None:
    environment = COMPOSE["services"][app]["environment"]
    given = {name.removeprefix("QA_").lower() for name in environment if name.startswith("QA_")}
    assert given <= set(Settings.model_fields)
    assert {"database_url", "chroma_url", "api_keys"} <= given


def test_every_volume_is_declared_and_used() -> None:
    mounted = {
        volume.partition(":")[0]
        for service in COMPOSE["services"].values()
        for volume in service.get("volumes", [])
    }
    assert {name for name in mounted if not name.startswith(".")} == set(COMPOSE["volumes"])
    assert all((ROOT / name).exists() for name in mounted if name.startswith("."))


def test_the_server_of_the_vectors_is_as_old_as_its_client() -> None:
    image = COMPOSE["services"]["chroma"]["image"]
    assert f"chromadb=={image.rpartition(':')[2]}" in (ROOT / "constraints.txt").read_text("utf-8")


def test_only_this_machine_reaches_what_is_published() -> None:
    published = [port for each in COMPOSE["services"].values() for port in each.get("ports", [])]
    assert published
    assert all(port.startswith("127.0.0.1:") for port in published)


@pytest.mark.skipif(
    not shutil.which("caddy") and os.environ.get("CI") != "true",
    reason="Caddy is not installed; on Debian: apt-get install caddy",
)
def test_the_proxy_reads_its_settings(tmp_path: Path) -> None:
    command = ["caddy", "validate", "--adapter", "caddyfile", "--config"]
    done = subprocess.run(
        [*command, str(ROOT / "deploy" / "Caddyfile")],
        env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
