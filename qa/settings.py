"""Settings: qa.toml, then QA_* in the environment, then options; unknown keys are refused.

Configuration is data. Nothing here opens or builds anything.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from qa.errors import SettingsError

PREFIX = "QA_"
PASSWORD = 8  # characters that a password has at least
DEFAULT_MODEL = "sentence-transformers/all-MiniLM-L6-v2"


class Settings(BaseSettings):
    """All settings, each with its default."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_ignore_empty=True, toml_file="qa.toml", extra="forbid", frozen=True
    )

    library: Path = Path("library")
    embedding_model: str = Field(default=DEFAULT_MODEL, min_length=1)
    reranker_model: str | None = None
    support_model: str | None = None
    generator: Literal["extractive", "llm"] = "extractive"
    llm_base_url: str | None = None
    llm_model: str | None = None
    llm_api_key: SecretStr | None = None
    llm_file: Path | None = None
    llm_sha256: str | None = Field(default=None, pattern="^[0-9a-fA-F]{64}$")
    llm_context: int = Field(default=4096, ge=1024, le=10_000_000)
    llm_timeout: float = Field(default=60.0, gt=0, le=3600)
    support_check: bool = True
    unsupported: Literal["drop", "mark"] = "drop"
    chroma_url: str | None = None
    chroma_api_key: SecretStr | None = None
    chroma_tenant: str | None = None
    chroma_database: str | None = None
    database_url: SecretStr | None = None
    allow_private_addresses: bool = False
    host: str = "127.0.0.1"
    port: int = Field(default=7860, ge=0, le=65535)
    api_keys: tuple[SecretStr, ...] = ()
    api_rate: int = Field(default=120, ge=1, le=1_000_000)
    read_only: bool | None = None
    sign_in: dict[str, SecretStr] = Field(default_factory=dict)
    upload_mb: int = Field(default=20, ge=1, le=1000)

    @field_validator("sign_in")
    @classmethod
    def _can_sign_in(cls, users: dict[str, SecretStr]) -> dict[str, SecretStr]:
        if any(not name or name != name.strip() for name in users):
            raise ValueError("a name is empty, or has white space around it")
        if any(len(word.get_secret_value()) < PASSWORD for word in users.values()):
            raise ValueError(f"every password needs at least {PASSWORD} characters")
        return users

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        del dotenv_settings, file_secret_settings
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)


# Accepted, so that scripts written for later versions are told apart from typing errors.
_NOT_YET = {
    "reranker_model": "reranking",
}


def load_settings(**options: Any) -> Settings:
    """Settings from file, environment and options (None: not given).

    Raises :class:`qa.errors.SettingsError` naming an unknown key, a bad value, or a setting that
    this version knows and cannot honour yet.
    """
    _refuse_unknown_variables()
    try:
        settings = Settings(**{key: value for key, value in options.items() if value is not None})
    except ValidationError as error:
        raise SettingsError(_explain(error)) from error
    except ValueError as error:  # qa.toml is no TOML, or a list in the environment is no JSON
        raise SettingsError(
            f"The settings cannot be read: {error}. Mend qa.toml or {PREFIX}*."
        ) from error
    for name, what in _NOT_YET.items():
        if getattr(settings, name):
            raise SettingsError(
                f"{PREFIX}{name.upper()} is set, but {what} is not supported yet. Remove it."
            )
    return settings


def _refuse_unknown_variables() -> None:
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    unknown = sorted(k for k in os.environ if k.upper().startswith(PREFIX) and k not in known)
    if unknown:
        raise SettingsError(
            f"Unknown setting {', '.join(unknown)} in the environment. "
            f"Known ones: {', '.join(sorted(known))}."
        )


def _explain(error: ValidationError) -> str:
    """One line: which setting, and what is wrong with it; never its value, which may be secret."""
    lines = []
    for problem in error.errors(include_input=False, include_url=False):
        name = ".".join(str(part) for part in problem["loc"]) or "settings"
        if problem["type"] == "extra_forbidden":
            known = ", ".join(sorted(Settings.model_fields))
            lines.append(f"Unknown setting {name} in qa.toml. Known ones: {known}")
        else:
            lines.append(f"{PREFIX}{name.upper()}: {problem['msg'].removeprefix('Value error, ')}")
    return "; ".join(lines) + "."
