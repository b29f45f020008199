"""The portal put together: one object that owns the store, the keys, the workers and every service."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from agreements.actors import LAB, Actor, Role
from agreements.errors import Conflict, NotFound, Unavailable
from agreements.log_head import NoteSigner
from agreements.people import Person
from model_access.metering import Meter
from model_access.sandbox import SandboxProfile, choose, detect
from model_access.worker import WorkerPool
from portal.api.openai.batchable import BATCHABLE
from portal.config import Settings
from portal.findings.projection import FINDINGS
from portal.findings.service import FindingService
from portal.keyring import Keyring
from portal.norms.projection import NORMS
from portal.norms.service import NormService
from portal.notices.projection import NOTICES
from portal.oidc.directory import Directory
from portal.oidc.transport import ProviderHttp
from portal.release.projection import DECISIONS
from portal.release.service import ReleaseService
from portal.services.access_log import AccessLog
from portal.services.access_requests import AccessRequestService
from portal.services.aggregates import (
    ADDRESSES,
    AGREEMENTS,
    CHECKPOINTS,
    CREDENTIALS,
    GRANTS,
    INSTITUTIONS,
    PASSPORTS,
    PEOPLE,
    PROGRAMS,
    RUNS,
    TOKEN_KEYS,
)
from portal.services.agreement_facts import AgreementFacts
from portal.services.agreement_papers import AgreementPapers
from portal.services.agreement_timeline import AgreementTimeline
from portal.services.agreements import AgreementService
from portal.services.batch_check import BatchChecker
from portal.services.batch_rows import BATCHES, STORED_FILES
from portal.services.batch_runner import BatchRunner
from portal.services.batch_texts import BatchTexts
from portal.services.batches import BatchService
from portal.services.campaigns import CampaignService
from portal.services.checkpoints import CheckpointService
from portal.services.clockwork import Clockwork
from portal.services.digests import DigestService
from portal.services.duties import DutyService
from portal.services.duty_rows import LEDGERS
from portal.services.explaining import ExplainService
from portal.services.exposure import ExposureService
from portal.services.grants import GrantService
from portal.services.high_risk import HighRisk
from portal.services.holders import Holders
from portal.services.identity_providers import IdentityProviderService
from portal.services.institutions import InstitutionService
from portal.services.invitations import InvitationService
from portal.services.keeper import Keeper
from portal.services.keeping import KeepingService
from portal.services.kept_box import KeptBox
from portal.services.kept_rows import KEPT_TEXTS
from portal.services.kernel import Clock, Kernel
from portal.services.lab_keys import LabKeys
from portal.services.last_used import LastUsed
from portal.services.log import LogService
from portal.services.model_cards import ModelCardService
from portal.services.notices import NoticeService
from portal.services.oauth import OAuthService
from portal.services.oidc import OidcService
from portal.services.outbox import OutboxService
from portal.services.passports import PassportService
from portal.services.people import PeopleService
from portal.services.people_rows import IDENTITIES, IDENTITY_PROVIDERS, INVITATIONS
from portal.services.person_consequences import PersonConsequences
from portal.services.prerequisites import Prerequisites
from portal.services.presence import Presence
from portal.services.presets import SHELVES, PresetService
from portal.services.probes import Probes
from portal.services.programs import ProgramService
from portal.services.publication_rows import PUBLICATIONS
from portal.services.publications import PublicationService
from portal.services.refresh import RefreshService
from portal.services.replaying import ReplayService
from portal.services.replays import OnceOnly
from portal.services.request_prerequisites import RequestPrerequisites
from portal.services.request_rows import ACCESS_REQUESTS
from portal.services.revocations import Revocations
from portal.services.runs import RunService
from portal.services.sealed_files import SealedFiles
from portal.services.sessions import SessionService
from portal.services.sign_in import SignInService
from portal.services.stale_grants import StaleGrants
from portal.services.stored_files import FileService
from portal.services.template_rows import CAMPAIGNS, TEMPLATES
from portal.services.templates import TemplateService
from portal.services.token_keys import TokenKeyService
from portal.services.token_plans import TokenPlans
from portal.services.token_standing import TokenStandings
from portal.services.tokenising import TokenisingService
from portal.services.tokens import TokenService
from portal.services.under_way import Watch
from portal.services.usage import UsageService
from portal.services.usage_budgets import UsageBudgets
from portal.services.ways_in import WaysIn
from portal.services.webhooks import WebhookService
from portal.services.workers import WorkerService
from portal.store import Store
from portal.webhooks.addresses import Policy
from portal.webhooks.projection import WEBHOOKS

AGGREGATES = (
    INSTITUTIONS,
    PASSPORTS,
    PEOPLE,
    INVITATIONS,
    IDENTITY_PROVIDERS,
    IDENTITIES,
    ADDRESSES,
    PROGRAMS,
    TOKEN_KEYS,
    AGREEMENTS,
    LEDGERS,
    GRANTS,
    CREDENTIALS,
    CHECKPOINTS,
    RUNS,
    FINDINGS,
    NORMS,
    DECISIONS,
    PUBLICATIONS,
    ACCESS_REQUESTS,
    NOTICES,
    WEBHOOKS,
    TEMPLATES,
    CAMPAIGNS,
    BATCHES,
    STORED_FILES,
    KEPT_TEXTS,
    SHELVES,
)
"""Every kind of object the store knows."""

SETUP = Actor.automatic("setup")
"""The named rule that enters the lab and its first coordinator."""

PoolFactory = Callable[[SandboxProfile, Settings], WorkerPool]
"""How a portal comes by its workers."""


def utc_now() -> datetime:
    """The system clock."""
    return datetime.now(UTC)


def worker_pool(sandbox: SandboxProfile, settings: Settings) -> WorkerPool:
    """Sandboxed workers within the operator's limits."""
    return WorkerPool(
        sandbox,
        memory_budget_bytes=settings.worker_memory_bytes,
        threads_per_worker=settings.worker_threads,
        precision=settings.worker_precision,
    )


class Portal:
    """Everything one process needs. Opened once; closing it ends workers and lets go of the file."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        keyring: Keyring,
        pool: WorkerPool,
        sandbox: SandboxProfile,
        clock: Clock,
    ) -> None:
        """Use ``Portal.open``."""
        self.settings = settings
        self.store = store
        self.keyring = keyring
        self.pool = pool
        self.sandbox = sandbox
        self.kernel = kernel = Kernel(store=store, clock=clock, lab_keys=LabKeys(store, keyring))
        self.meter = Meter(RunService.settled_usage(kernel), time.monotonic)
        self.institutions = InstitutionService(kernel, keyring)
        self.passports = PassportService(kernel, self.institutions)
        self.sessions = SessionService(kernel, settings)
        self.people = PeopleService(kernel, self.institutions, self.sessions)
        self.sign_in = SignInService(kernel, settings, self.sessions)
        self.invitations = InvitationService(kernel, self.institutions, self.people, self.sessions, settings)
        self.programs = ProgramService(kernel, self.institutions)
        private = settings.oidc_allow_private
        http = ProviderHttp(Policy(loopback=private, private=private))
        directory = Directory(http, clock)
        self.identity_providers = IdentityProviderService(
            kernel, self.institutions, self.sessions, keyring, http, directory
        )
        self.ways_in = WaysIn(kernel, self.identity_providers)
        self.oidc = OidcService(
            kernel, settings, keyring, http, directory, self.identity_providers, self.people, self.sessions
        )
        prerequisites = Prerequisites(kernel, self.institutions, self.passports)
        self.templates = TemplateService(kernel)
        self.agreements = AgreementService(kernel, self.institutions, prerequisites, self.templates)
        self.person_consequences = PersonConsequences(kernel, self.people, self.agreements)
        self.campaigns = CampaignService(kernel, self.institutions, self.templates, self.agreements)
        self.papers = AgreementPapers(kernel, self.agreements, self.institutions)
        holders = Holders(kernel)
        high_risk = HighRisk(kernel, settings)
        self.grants = GrantService(kernel, self.agreements, prerequisites, self.meter, holders, high_risk)
        self.stale_grants = StaleGrants(kernel, self.grants, holders, settings)
        self.agreement_facts = AgreementFacts(
            kernel, self.agreements, self.grants, prerequisites, self.templates, self.meter
        )
        self.agreement_timeline = AgreementTimeline(kernel, self.agreements)
        self.token_keys = TokenKeyService(kernel, keyring, settings)
        self.last_used = LastUsed(settings.data_dir / "last-used.json")
        plans = TokenPlans(kernel, self.grants, self.token_keys, settings)
        self.tokens = TokenService(kernel, plans, self.token_keys, self.last_used, settings)
        self.token_standings = TokenStandings(kernel, self.grants, self.token_keys, self.last_used)
        self.refresh = RefreshService(kernel, self.tokens, plans, settings)
        self.proofs = OnceOnly(clock())
        self.oauth = OAuthService(kernel, self.tokens, plans, self.refresh, self.grants, self.proofs, settings)
        self.checkpoints = CheckpointService(kernel, self.grants, pool, settings)
        self.watch = Watch(store, clock)
        presence = Presence(kernel, self.sessions, self.token_keys)
        self._keeper = Keeper(kernel, KeptBox(settings.kept_dir, keyring))
        self.runs = RunService(
            kernel, self.checkpoints, pool, self.meter, settings, sandbox.id, self.watch, presence, self._keeper
        )
        self.tokenising = TokenisingService(self.checkpoints, self.runs, pool, self.meter)
        self.presets = PresetService(kernel, self.people)
        self.workers = WorkerService(kernel, self.checkpoints, self.runs, pool, self.watch, settings)
        probes = Probes(kernel, presence, self.checkpoints, self.token_keys)
        self.revocations = Revocations(settings.data_dir / "revocations.jsonl", probes, self.watch.settled)
        self.watch.measures = self.revocations
        sealed = SealedFiles(settings.files_dir, keyring)
        self.files = FileService(kernel, sealed, settings)
        checker = BatchChecker(kernel, self.runs, self.grants, BATCHABLE, settings)
        self.batches = BatchService(kernel, self.files, checker, BATCHABLE)
        batch_texts = BatchTexts(kernel, self.batches, self.files, BATCHABLE)
        self.keeping = KeepingService(kernel, self._keeper, self.runs, batch_texts)
        self.replaying = ReplayService(kernel, self.runs, pool, self.keeping)
        self.batch_runner = BatchRunner(
            kernel,
            self.batches,
            checker,
            self.runs,
            self.checkpoints,
            self.files,
            sealed,
            presence,
            self.watch,
            BATCHABLE,
            settings,
        )
        self.usage = UsageService(kernel, self.grants)
        self.exposure = ExposureService(kernel, self.checkpoints, settings)
        self.usage_budgets = UsageBudgets(kernel, self.grants)
        self.access_log = AccessLog(kernel, self.grants)
        self.explaining = ExplainService(
            kernel,
            self.checkpoints,
            self.grants,
            self.runs,
            self.meter,
            self.agreements,
            self.people,
            self.programs,
            self.institutions,
        )
        self.findings = FindingService(kernel, runs=self.runs, checkpoints=self.checkpoints, people=self.people)
        self.model_cards = ModelCardService(self.checkpoints, self.grants, self.usage, self.findings, settings)
        self.norms = NormService(kernel, keys=self.institutions, signer=self.institutions, findings=self.findings)
        self.release = ReleaseService(kernel, ladder=self.checkpoints, evidence=self.findings, practice=self.norms)
        self.publications = PublicationService(kernel, self.agreements)
        self.access_requests = AccessRequestService(
            kernel,
            self.agreements,
            self.people,
            self.grants,
            RequestPrerequisites(kernel, prerequisites, holders),
            holders,
            high_risk,
            settings,
        )
        self.log = LogService(kernel)
        self.notices = NoticeService(kernel)
        self.digests = DigestService(kernel, self.notices, self.people, settings)
        self.webhooks = WebhookService(kernel, self.institutions, settings, keyring.own("webhook"))
        self.outbox = OutboxService(kernel, self.notices, self.webhooks, self.digests, settings)
        self.duties = DutyService(
            kernel,
            self.agreements,
            people=self.people,
            findings=self.findings,
            runs=self.runs,
            passports=self.passports,
            portal_name=settings.issuer,
            url=settings.url,
        )
        self.clockwork = Clockwork(
            kernel, self.notices, self.outbox, self.passports, self.access_requests, self._keeper, self.exposure
        )

    @classmethod
    def open(cls, settings: Settings, *, clock: Clock = utc_now, pool_factory: PoolFactory = worker_pool) -> Self:
        """Open an existing portal, settle runs that were cut off, and make every checkpoint available.

        Raises NotFound ``no_portal`` where nothing was made yet, Unavailable without isolation or when another
        process owns the file, VerificationError when the log does not hold.
        """
        if not settings.database_path.exists():
            raise NotFound(
                "no_portal",
                f"There is no portal in {settings.data_dir}.",
                hint="Make one with: concordat init, or try the demonstration: concordat demo.",
            )
        return cls._open(settings, clock, pool_factory)

    @classmethod
    def create(
        cls,
        settings: Settings,
        *,
        coordinator_name: str,
        coordinator_email: str,
        clock: Clock = utc_now,
        pool_factory: PoolFactory = worker_pool,
    ) -> tuple[Self, Person]:
        """Make a portal: keys, database, the lab as an institution, and its first coordinator.

        All or nothing: where it fails, no database is left. Raises Conflict ``portal_exists``, Unavailable
        ``folder_unusable``, and what registering refuses.
        """
        if settings.database_path.exists():
            raise Conflict("portal_exists", f"There is a portal in {settings.data_dir}.", hint="Choose another folder.")
        try:
            settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise Unavailable(
                "folder_unusable",
                f"The folder {settings.data_dir} cannot be made ({error.strerror}).",
                hint="Choose another folder.",
            ) from None
        portal = cls._open(settings, clock, pool_factory)
        try:
            portal.institutions.register_lab(SETUP, settings.lab_name, coordinator_email)
            person = portal.people.register(
                SETUP, name=coordinator_name, email=coordinator_email, memberships=[(LAB, Role.COORDINATOR)]
            )
        except BaseException:
            portal.close()
            _remove_database(settings.database_path)
            raise
        return portal, person

    @classmethod
    def _open(cls, settings: Settings, clock: Clock, pool_factory: PoolFactory) -> Self:
        sandbox = choose(detect(), allow_unsafe=settings.allow_unsafe_no_sandbox)
        keyring = Keyring(settings.keys_dir)
        store = Store.open(
            settings.database_path,
            signer=NoteSigner(settings.issuer, keyring.own("log")),
            aggregates=AGGREGATES,
        )
        try:
            portal = cls(settings, store, keyring, pool_factory(sandbox, settings), sandbox, clock)
        except BaseException:
            store.close()
            raise
        try:
            portal.runs.settle_interrupted()
            portal._keeper.clear_strays()
            portal.batch_runner.open()
            portal.workers.open()
            portal.checkpoints.serve_all()
        except BaseException:
            portal.close()
            raise
        return portal

    def close(self) -> None:
        """Let the delivery under way end, end the workers, wait for what is settling, and close the file."""
        self.outbox.close()
        self.batch_runner.let_go()
        self.pool.close()
        self.runs.close()
        self.watch.close()
        self.last_used.close(self.kernel.clock())
        self.store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _remove_database(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.with_name(f"{path.name}.wal").unlink(missing_ok=True)
