"""Settings: one TOML file in the data folder, overridden by ``CONCORDAT_*`` environment variables."""

from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from agreements.errors import Invalid
from agreements.scopes import Operation
from model_access.build import Precision
from model_access.stages import Stage

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
    request_decision_days: Annotated[int, Field(ge=1, le=366)] = 10
    """How long the lab takes at most to decide on an access request."""
    request_working_days: bool = True
    """Whether these are working days, Monday to Friday in UTC, or days of the calendar."""
    request_answer_days: Annotated[int, Field(ge=1, le=366)] = 30
    """How long an alternative to an access request can be answered, in days of the calendar."""
    high_risk_stages: frozenset[Stage] = frozenset({Stage.WITHHELD})
    """Stages of checkpoints that two coordinators have to agree to open."""
    high_risk_operations: frozenset[Operation] = frozenset({Operation.ACTIVATIONS, Operation.FINE_TUNE})
    """Operations that two coordinators have to agree to open."""
    high_risk_parameters: Annotated[int | None, Field(ge=1)] = 1_000_000_000
    """The size of a checkpoint from which on two coordinators have to agree."""
    high_risk_token_budget: Annotated[int | None, Field(ge=1)] = 50_000_000
    """The token budget from which on two coordinators have to agree."""
    exposure_warn_percent: Annotated[float, Field(gt=0, le=100)] = 10.0
    """Of what recovers a checkpoint's output layer: from here on coordinators are told that it was seen."""
    exposure_alert_percent: Annotated[float, Field(gt=0, le=100)] = 50.0
    """From here on it is an alert."""
    high_risk_grants_need_two: bool = False
    """Whether whoever signed an agreement for the lab also needs another coordinator for a grant of high risk."""
    max_body_bytes: Annotated[int, Field(ge=1024)] = 2 * 2**20
    worker_memory_bytes: Annotated[int, Field(ge=2**28)] = 4 * 2**30
    """Memory all workers may use together."""
    worker_threads: Annotated[int, Field(ge=1, le=256)] = 1
    """Processor threads per worker; more help large checkpoints on a machine with cores to spare."""
    worker_precision: Precision = Precision.FLOAT32
    """How checkpoints are computed; every receipt says which."""

    batch_lines_at_once: Annotated[int, Field(ge=1, le=64)] = 2
    """How many lines of batches are run at a time while nobody waits for a run of their own; else it is one."""
    batch_max_lines: Annotated[int, Field(ge=1, le=50_000)] = 10_000
    """How many lines a batch may have."""
    batch_file_bytes: Annotated[int, Field(ge=1024, le=2**30)] = 32 * 2**20
    """The largest file that can be uploaded for a batch."""
    batch_unfetched_hours: Annotated[int, Field(ge=1, le=720)] = 72
    """How long a batch's files wait to be fetched where no agreement says that they are kept."""
    batch_lab_days: Annotated[int, Field(ge=1, le=3660)] = 30
    """How long the files of the lab's own batches are kept."""

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

    @property
    def files_dir(self) -> Path:
        """Sealed files of batches."""
        return self.data_dir / "files"

    @property
    def kept_dir(self) -> Path:
        """Prompts and answers that agreements keep, sealed, each with the key that opens it."""
        return self.data_dir / "kept"

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
