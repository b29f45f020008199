"""Settings: one TOML file in the data folder, overridden by ``CONCORDAT_*`` environment variables."""

from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from agreements.errors import Invalid

FILE_NAME = "concordat.toml"

MAX_TOKEN_HOURS = 24

_SMTP_URL = r"^smtps?://([^\s/@:]+@)?([A-Za-z0-9.-]+|\[[0-9A-Fa-f:]+\])(:[0-9]{1,5})?/?$"
"""No password: settings are shown and backed up."""


class Settings(BaseSettings):
    """Everything an operator may set. Durations and limits carry their unit in the name."""

    model_config = SettingsConfigDict(env_prefix="CONCORDAT_", extra="forbid", frozen=True)

    data_dir: Path
    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=1, le=65535)] = 8765
    base_url: str | None = None
    """What people type into the browser; set it when a proxy stands in front."""
    issuer: str = "concordat"
    """Names this portal in tokens and in the log; never change it once data exists."""
    lab_name: str = "The Lab"
    demo: bool = False
    """Demonstration mode: fictional data, a banner, and sign-in without links from this machine."""
    allow_unsafe_no_sandbox: bool = False
    """Run models without isolation. Every page and receipt then says so."""

    session_hours: Annotated[int, Field(ge=1, le=720)] = 12
    """How long a session lasts at most, however it is used."""
    session_idle_hours: Annotated[int, Field(ge=1, le=720)] = 4
    """How long a session lasts without being used."""
    sign_in_link_hours: Annotated[int, Field(ge=1, le=168)] = 24
    invitation_hours: Annotated[int, Field(ge=1, le=720)] = 168
    """How long an invitation can be accepted."""
    oidc_allow_private: bool = False
    """Let identity providers be on this machine and in private networks."""
    token_hours: Annotated[int, Field(ge=1, le=MAX_TOKEN_HOURS)] = 24
    """The longest life of an access token."""
    refresh_days: Annotated[int, Field(ge=0, le=365)] = 30
    """How long a token can be kept fresh by refresh tokens; 0 issues none."""
    refresh_idle_hours: Annotated[int, Field(ge=1, le=8760)] = 168
    """How long a refresh token that nobody uses stays good."""

    public_token_budget: Annotated[int, Field(ge=0)] = 100_000
    """Tokens each person may use on public checkpoints, over all."""
    public_requests_per_minute: Annotated[int, Field(ge=1)] = 30
    stale_grant_days: Annotated[int, Field(ge=1, le=3660)] = 30
    """Days without a run after which a grant is reported as stale."""
    grant_expiry_notice_days: Annotated[int, Field(ge=1, le=366)] = 14
    """Days before its end from which a grant is reported."""
    max_body_bytes: Annotated[int, Field(ge=1024)] = 2 * 2**20
    worker_memory_bytes: Annotated[int, Field(ge=2**28)] = 4 * 2**30
    """Memory all workers may use together."""
    worker_threads: Annotated[int, Field(ge=1, le=256)] = 1
    """Processor threads per worker; more help large checkpoints on a machine with cores to spare."""

    clockwork_minutes: Annotated[int, Field(ge=0, le=1440)] = 5
    """How often the clockwork ticks while the portal is served; 0 leaves it to ``concordat tick``."""

    smtp_url: Annotated[str | None, Field(pattern=_SMTP_URL)] = None
    """The mail server that digests go out by; ``smtps`` is TLS from the start."""
    smtp_password_file: Path | None = None
    """Holds the password of the user in ``smtp_url``, so that it stands in no setting."""
    mail_from: Annotated[str | None, Field(pattern=r"^[^@\s]+@[^@\s]+$")] = None
    """Whom digests come from."""
    digest_hour: Annotated[int, Field(ge=0, le=23)] = 6
    """The hour, UTC, from which on the digest of a new day may go out."""
    webhook_allow_private: bool = False
    """Let webhooks lead into private networks, by https; not to loopback addresses."""
    webhook_allow_loopback: bool = False
    """Let webhooks lead to this machine, also by plain http; for tests and demonstrations."""

    @property
    def url(self) -> str:
        """The address of the portal, without a slash at the end."""
        return (self.base_url or f"http://{self.host}:{self.port}").rstrip("/")

    @property
    def database_path(self) -> Path:
        """The one DuckDB file."""
        return self.data_dir / "concordat.duckdb"

    @property
    def keys_dir(self) -> Path:
        """Private keys, readable by the operator alone."""
        return self.data_dir / "keys"

    @property
    def checkpoints_dir(self) -> Path:
        """Imported checkpoints, one folder per manifest digest."""
        return self.data_dir / "checkpoints"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """What was said on the command line wins, then the environment, then the file."""
        data_dir = init_settings().get("data_dir")
        file = TomlConfigSettingsSource(settings_cls, Path(data_dir) / FILE_NAME) if data_dir else None
        return (init_settings, env_settings, *([file] if file else []))


def load(data_dir: Path, **overrides: object) -> Settings:
    """The settings of a data folder. Raises Invalid ``bad_settings`` naming the setting."""
    given = {name: value for name, value in overrides.items() if value is not None}
    try:
        return Settings(data_dir=data_dir.absolute(), **given)  # type: ignore[arg-type]  # checked by pydantic
    except (ValidationError, ValueError, OSError) as error:
        where = str(error.errors(include_input=False)[0]["loc"][0]) if isinstance(error, ValidationError) else FILE_NAME
        raise Invalid(
            "bad_settings",
            f"The setting {where} is not usable.",
            hint=f"Correct it in {data_dir / FILE_NAME} or in the environment.",
            param=where,
        ) from None
