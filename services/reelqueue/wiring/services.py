"""Everything a process may need, made when it is first asked for, once.

A gateway never opens a connection to NemoVideo, and a dispatcher never opens the file store, since neither asks for
them.
"""

from __future__ import annotations

import random
import ssl
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from urllib.parse import urlsplit

from reelqueue.domain.breakers import BreakerPolicy
from reelqueue.domain.channels import JOB
from reelqueue.egress import EgressClient, EgressPolicy, SystemResolver, tls_context
from reelqueue.files.blobs import BlobStore
from reelqueue.files.intake import InputFetcher
from reelqueue.files.job_results import JobResults
from reelqueue.files.keys import tenant_prefix
from reelqueue.files.limits import FileLimits
from reelqueue.files.orphans import OrphanSweep
from reelqueue.files.repair.workshop import Workshop, WorkshopLimits
from reelqueue.files.results import ResultSaver
from reelqueue.files.spool import Spool
from reelqueue.files.storage import FileStorage, open_storage
from reelqueue.jobs.balance_watch import BalanceWatch
from reelqueue.jobs.breaker import Watch
from reelqueue.jobs.credits import CreditsReader
from reelqueue.jobs.erasing import FileEraser, RowEraser
from reelqueue.jobs.project_views import ProjectViews
from reelqueue.jobs.token_desk import TokenDesk
from reelqueue.jobs.token_keeping import TokenKeeping
from reelqueue.jobs.why import WhyReader
from reelqueue.kit.acting import EVERYBODY
from reelqueue.kit.broker import broker_answers
from reelqueue.kit.clock import SystemClock
from reelqueue.kit.gcra import Gcra, connect
from reelqueue.kit.local_gcra import LocalGcra
from reelqueue.kit.metrics import Metrics
from reelqueue.kit.sealing import Sealer, derive
from reelqueue.nemo.client import NemoClient
from reelqueue.nemo.headers import Attribution
from reelqueue.nemo.throttle import TokenThrottle
from reelqueue.nemo.transport import CallLimits
from reelqueue.settings import Settings
from reelqueue.store.accounts import Accounts
from reelqueue.store.answers import Answers
from reelqueue.store.api_keys import ApiKeys
from reelqueue.store.assets import Assets
from reelqueue.store.audit import AuditLog
from reelqueue.store.batches import Batches
from reelqueue.store.blob_names import BlobNames
from reelqueue.store.breakers import Breakers
from reelqueue.store.claims import Claims
from reelqueue.store.deliveries import Deliveries
from reelqueue.store.dispatch import Dispatch
from reelqueue.store.endpoints import Endpoints
from reelqueue.store.engine import Database, make_engine
from reelqueue.store.erasures import Erasures
from reelqueue.store.events import Events
from reelqueue.store.facts_of_waiting import WaitingFacts
from reelqueue.store.health import Health
from reelqueue.store.history import History
from reelqueue.store.intake import JobIntake
from reelqueue.store.jobs import Jobs
from reelqueue.store.ledger import Ledger
from reelqueue.store.notices import Notices
from reelqueue.store.past_jobs import PastJobs
from reelqueue.store.project_records import ProjectRecords
from reelqueue.store.projects import Projects
from reelqueue.store.quotas import Quotas
from reelqueue.store.recoveries import Recoveries
from reelqueue.store.renders import Renders
from reelqueue.store.sweep import Sweep
from reelqueue.store.tenants import Tenants
from reelqueue.store.token_balances import TokenBalances
from reelqueue.store.token_records import TokenRecords
from reelqueue.store.tokens import UpstreamTokens
from reelqueue.store.turns import Turns
from reelqueue.store.uploads import Uploads
from reelqueue.store.usage import UsageRows
from reelqueue.store.versions import Versions
from reelqueue.store.workers import Workers
from reelqueue.version import VERSION


class Services:
    """The adapters of one process."""

    def __init__(self, settings: Settings, *, process: str = "reelqueue", whose: str = EVERYBODY) -> None:
        """`whose`: for whom it works where nobody has said. A gateway works for `NOBODY` until a request says so."""
        self.settings = settings
        self._whose = whose
        self.process = process
        self.clock = SystemClock()
        self.rng = random.Random()  # noqa: S311 - spreads retries; keeps no secret
        self.metrics = Metrics()
        self.live_workers: Callable[[], int | None] = lambda: None
        """Known to a worker; see `Lease.live_workers`."""

    # --- the database ---

    @cached_property
    def database(self) -> Database:
        """The connection pool."""
        url = self.settings.database_url.get_secret_value()
        engine = make_engine(
            url, pool_size=self.settings.database_pool, application=f"reelqueue-{self.process}", whose=self._whose
        )
        return Database(engine)

    @cached_property
    def service_database(self) -> Database:
        """The same pool, for what belongs to no one tenant."""
        return self.database.as_service()

    @cached_property
    def sealer(self) -> Sealer:
        """Seals and opens secrets at rest."""
        return Sealer(self.settings.master_key)

    @cached_property
    def pepper(self) -> bytes:
        """The key of the MACs that API keys are stored as."""
        return derive(self.settings.master_key, "api-keys")

    @cached_property
    def cursor_key(self) -> bytes:
        """The key of the MACs on list cursors."""
        return derive(self.settings.master_key, "cursors")

    @cached_property
    def tenants(self) -> Tenants:
        """Tenants."""
        return Tenants(self.service_database, self.sealer)

    @cached_property
    def api_keys(self) -> ApiKeys:
        """API keys."""
        return ApiKeys(self.service_database, self.pepper)

    @cached_property
    def audit_log(self) -> AuditLog:
        """What was done to tenants and keys."""
        return AuditLog(self.service_database)

    @cached_property
    def erasures(self) -> Erasures:
        """Erasures of tenants."""
        return Erasures(self.service_database)

    @cached_property
    def row_eraser(self) -> RowEraser:
        """Deletes the rows of erased tenants."""
        return RowEraser(Erasures(self.erasing_database))

    @cached_property
    def erasing_database(self) -> Database:
        """Connections of their own, and under another name: a dispatcher is well if *it* has used the database."""
        url = self.settings.database_url.get_secret_value()
        return Database(make_engine(url, pool_size=1, application="reelqueue-eraser", whose=EVERYBODY))

    @cached_property
    def tokens(self) -> UpstreamTokens:
        """Upstream tokens."""
        return UpstreamTokens(self.database, self.sealer)

    @cached_property
    def token_records(self) -> TokenRecords:
        """Upstream tokens by their owners."""
        return TokenRecords(self.database, self.sealer)

    @cached_property
    def token_balances(self) -> TokenBalances:
        """What upstream tokens have."""
        return TokenBalances(self.database)

    @cached_property
    def assets(self) -> Assets:
        """Input files, as rows."""
        return Assets(self.database)

    @cached_property
    def endpoints(self) -> Endpoints:
        """Webhook endpoints."""
        return Endpoints(self.database, self.sealer)

    @cached_property
    def deliveries(self) -> Deliveries:
        """Webhook messages."""
        return Deliveries(self.database, self.sealer)

    @cached_property
    def intake(self) -> JobIntake:
        """Accepts jobs."""
        return JobIntake(self.database, self.clock, credits_per_turn=self.settings.credits_per_turn)

    @cached_property
    def quotas(self) -> Quotas:
        """What tenants may use."""
        return Quotas(self.database, credits_per_turn=self.settings.credits_per_turn)

    @cached_property
    def accounts(self) -> Accounts:
        """The ledger of budgets."""
        return Accounts(self.database)

    @cached_property
    def usage(self) -> UsageRows:
        """What tenants have used."""
        return UsageRows(self.database)

    @cached_property
    def jobs(self) -> Jobs:
        """Reads jobs."""
        return Jobs(self.database)

    @cached_property
    def answers(self) -> Answers:
        """Takes answers."""
        return Answers(self.database)

    @cached_property
    def past_jobs(self) -> PastJobs:
        """Reads jobs that have ended, to go on where they stopped."""
        return PastJobs(self.database)

    @cached_property
    def events(self) -> Events:
        """Reads events."""
        return Events(self.database)

    @cached_property
    def claims(self) -> Claims:
        """Leases on jobs."""
        return Claims(self.database)

    @cached_property
    def turns(self) -> Turns:
        """Intents of paid turns."""
        return Turns(self.database)

    @cached_property
    def projects(self) -> Projects:
        """Upstream sessions."""
        return Projects(self.database)

    @cached_property
    def project_records(self) -> ProjectRecords:
        """Projects as their owners see them."""
        return ProjectRecords(self.database)

    @cached_property
    def batches(self) -> Batches:
        """Jobs that were accepted together."""
        return Batches(self.database)

    @cached_property
    def versions(self) -> Versions:
        """Versions of drafts."""
        return Versions(self.database)

    @cached_property
    def uploads(self) -> Uploads:
        """Which inputs are up."""
        return Uploads(self.database)

    @cached_property
    def renders(self) -> Renders:
        """Exports."""
        return Renders(self.database)

    @cached_property
    def recoveries(self) -> Recoveries:
        """What is watched for after jobs have ended."""
        return Recoveries(self.database)

    @cached_property
    def workers(self) -> Workers:
        """Live workers."""
        return Workers(self.database)

    @cached_property
    def dispatch(self) -> Dispatch:
        """Whose turn it is."""
        return Dispatch(self.database)

    @cached_property
    def breaker_policy(self) -> BreakerPolicy:
        """What counts as an outage."""
        return BreakerPolicy().at_speed(self.settings.speed)

    @cached_property
    def breakers(self) -> Breakers:
        """Whether NemoVideo is down."""
        return Breakers(self.database, self.breaker_policy)

    @cached_property
    def watch(self) -> Watch:
        """The breakers as this process knows them."""
        return Watch(self.breakers, policy=self.breaker_policy, clock=self.clock, rng=self.rng, metrics=self.metrics)

    @cached_property
    def sweep(self) -> Sweep:
        """Repairs."""
        return Sweep(self.database, self.history)

    @cached_property
    def history(self) -> History:
        """What jobs took lately."""
        return History(self.database)

    @cached_property
    def health(self) -> Health:
        """Whether the database can serve this code."""
        return Health(self.service_database)

    def notices(self, *channels: str) -> Notices:
        """A new listener; without channels, for changes of jobs."""
        return Notices(self.settings.database_url.get_secret_value(), channels or (JOB,))

    def broker_ok(self) -> bool:
        """Whether the broker answers."""
        return broker_answers(self.settings.redis_url.get_secret_value())

    @cached_property
    def key_gate(self) -> Gcra:
        """The rates of API keys, for all gateways together."""
        return Gcra(connect(self.settings.redis_url.get_secret_value()), prefix="reelqueue:key:")

    # --- files ---

    @cached_property
    def file_limits(self) -> FileLimits:
        """How much a caller may send."""
        files = self.settings.files
        return FileLimits(
            max_file_bytes=files.max_file_bytes,
            max_picture_bytes=files.max_picture_bytes,
            max_files=files.max_files,
            max_pixels=files.max_pixels,
            max_frames=files.max_frames,
        )

    @cached_property
    def storage(self) -> FileStorage:
        """Where files arrive and where they are kept."""
        return open_storage(self.settings.files.store_url, scratch=Path(self.settings.files.spool_dir))

    @property
    def blobs(self) -> BlobStore:
        """Where files are kept."""
        return self.storage.blobs

    @property
    def spool(self) -> Spool:
        """Where files arrive."""
        return self.storage.spool

    @cached_property
    def workshop(self) -> Workshop:
        """Repairs pictures. One a process: it counts the places."""
        files = self.settings.files
        limits = WorkshopLimits(
            at_once=files.repairs_at_once,
            wait_s=files.repair_wait_s,
            deadline_s=files.repair_s,
            memory_bytes=files.repair_memory_bytes,
            quality=files.jpeg_quality,
        )
        return Workshop(self.spool, limits=limits, clock=self.clock)

    @cached_property
    def orphan_sweep(self) -> OrphanSweep:
        """Removes files that nobody knows."""
        return OrphanSweep(spool=self.spool, blobs=self.blobs, rows=BlobNames(self.database), clock=self.clock)

    @cached_property
    def file_eraser(self) -> FileEraser:
        """Deletes the files of erased tenants."""
        return FileEraser(self.erasures, self.blobs, tenant_prefix)

    # --- the outside ---

    @cached_property
    def ssl_context(self) -> ssl.SSLContext:
        """One for all connections: making one costs 20 to 40 ms."""
        return tls_context()

    @cached_property
    def egress(self) -> EgressClient:
        """The only way to hosts that others name."""
        return self._egress(EgressPolicy(allow=self.settings.egress_allow))

    @cached_property
    def source_egress(self) -> EgressClient:
        """The way to input URLs, which may not lead back into the upstream's own API."""
        upstream = urlsplit(self.settings.nemo.api_url).netloc.rpartition("@")[2]
        return self._egress(EgressPolicy(allow=self.settings.egress_allow, own_hosts=frozenset({upstream})))

    def _egress(self, policy: EgressPolicy) -> EgressClient:
        return EgressClient(policy, SystemResolver(), ssl_context=self.ssl_context, clock=self.clock)

    @cached_property
    def input_fetcher(self) -> InputFetcher:
        """Fetches input URLs."""
        fetch_s = self.settings.files.fetch_s
        return InputFetcher(
            self.source_egress, self.spool, limits=self.file_limits, workshop=self.workshop, deadline_s=fetch_s
        )

    @cached_property
    def results(self) -> JobResults:
        """Brings finished videos home."""
        files = self.settings.files
        saver = ResultSaver(
            self.egress, self.spool, self.blobs, max_bytes=files.max_result_bytes, deadline_s=files.download_s
        )
        return JobResults(saver)

    @cached_property
    def nemo(self) -> NemoClient:
        """NemoVideo."""
        nemo = self.settings.nemo
        return NemoClient(
            nemo.api_url,
            attribution=Attribution(source=nemo.skill_source, version=VERSION, platform=nemo.skill_platform),
            limits=CallLimits(
                call_total_s=nemo.call_s, upload_total_s=nemo.upload_s, download_total_s=self.settings.files.download_s
            ),
            ssl_context=self.ssl_context,
            clock=self.clock,
            throttle=self.throttle,
        )

    @cached_property
    def throttle(self) -> TokenThrottle:
        """Keeps every token's rate."""
        minute_s = 60.0 / self.settings.speed
        client = connect(self.settings.redis_url.get_secret_value())
        return TokenThrottle(
            Gcra(client, prefix="reelqueue:rate:", minute_s=minute_s),
            LocalGcra(self.clock, minute_s=minute_s),
            live_workers=self._alive,
            clock=self.clock,
            rng=self.rng,
            metrics=self.metrics,
            speed=self.settings.speed,
        )

    def _alive(self) -> int | None:
        """As `live_workers` says then, not now: a worker is put together after its adapters."""
        return self.live_workers()

    @cached_property
    def desk(self) -> TokenDesk:
        """Hands out upstream tokens."""
        nemo = self.settings.nemo
        return TokenDesk(
            # It marks and renews tokens of the pool, which no tenant may write.
            UpstreamTokens(self.service_database, self.sealer),
            self.nemo,
            anonymous_client_id=nemo.client_id if nemo.allow_anonymous else None,
            clock=self.clock,
            speed=self.settings.speed,
            web_url=nemo.web_url,
            pause=self.throttle.cool_token,
        )

    @cached_property
    def token_keeping(self) -> TokenKeeping:
        """Upstream tokens as their owners manage them."""
        return TokenKeeping(
            records=self.token_records,
            balances=self.token_balances,
            desk=self.desk,
            upstream=self.nemo,
        )

    @cached_property
    def balance_watch(self) -> BalanceWatch:
        """Looks at balances now and then."""
        return BalanceWatch(balances=self.token_balances, tokens=self.tokens, desk=self.desk, upstream=self.nemo)

    @cached_property
    def credits(self) -> CreditsReader:
        """What a tenant has and has spent."""
        return CreditsReader(
            tokens=self.tokens,
            ledger=Ledger(self.database),
            balances=self.token_balances,
            desk=self.desk,
            upstream=self.nemo,
            clock=self.clock,
            web_url=self.settings.nemo.web_url,
        )

    @cached_property
    def why(self) -> WhyReader:
        """Why jobs wait."""
        return WhyReader(WaitingFacts(self.database), self.history, web_url=self.settings.nemo.web_url)

    @cached_property
    def project_views(self) -> ProjectViews:
        """Timelines and links of projects."""
        return ProjectViews(
            projects=self.project_records,
            versions=self.versions,
            sessions=self.projects,
            desk=self.desk,
            upstream=self.nemo,
            clock=self.clock,
            web_url=self.settings.nemo.web_url,
        )

    def close(self) -> None:
        """Close what was opened."""
        for name, end in (("database", "dispose"), ("erasing_database", "dispose"), ("nemo", "close")):
            made = self.__dict__.get(name)
            if made is not None:
                getattr(made, end)()
