"""The rows and the keys that a process may need, each made when it is first asked for, once."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import timedelta
from functools import cached_property

from reelqueue.domain.breakers import BreakerPolicy
from reelqueue.domain.channels import JOB
from reelqueue.kit.acting import EVERYBODY
from reelqueue.kit.broker import broker_answers
from reelqueue.kit.clock import SystemClock
from reelqueue.kit.gcra import Gcra, connect
from reelqueue.kit.metrics import Metrics
from reelqueue.kit.sealing import Sealer, derive
from reelqueue.settings import Settings
from reelqueue.store.accounts import Accounts
from reelqueue.store.answers import Answers
from reelqueue.store.api_keys import ApiKeys
from reelqueue.store.assets import Assets
from reelqueue.store.audit import AuditLog
from reelqueue.store.batches import Batches
from reelqueue.store.breakers import Breakers
from reelqueue.store.claims import Claims
from reelqueue.store.deliveries import Deliveries
from reelqueue.store.dispatch import Dispatch
from reelqueue.store.endpoints import Endpoints
from reelqueue.store.engine import Database, make_engine
from reelqueue.store.erasures import Erasures
from reelqueue.store.events import Events
from reelqueue.store.expiring import Expiring
from reelqueue.store.feed import Feed
from reelqueue.store.feed_keeping import FeedKeeping
from reelqueue.store.health import Health
from reelqueue.store.history import History
from reelqueue.store.intake import JobIntake
from reelqueue.store.jobs import Jobs
from reelqueue.store.lanes import Lanes
from reelqueue.store.notices import Notices
from reelqueue.store.past_jobs import PastJobs
from reelqueue.store.project_records import ProjectRecords
from reelqueue.store.projects import Projects
from reelqueue.store.quotas import Quotas
from reelqueue.store.recoveries import Recoveries
from reelqueue.store.renders import Renders
from reelqueue.store.replays import Replays
from reelqueue.store.resends import Resends
from reelqueue.store.samples import Samples
from reelqueue.store.sequencer import Sequencer
from reelqueue.store.sweep import Sweep
from reelqueue.store.tenants import Tenants
from reelqueue.store.token_balances import TokenBalances
from reelqueue.store.token_records import TokenRecords
from reelqueue.store.tokens import UpstreamTokens
from reelqueue.store.turns import Turns
from reelqueue.store.uploads import Uploads
from reelqueue.store.usage import UsageRows
from reelqueue.store.versions import Versions
from reelqueue.store.watched import Watched
from reelqueue.store.webhook_secrets import WebhookSecrets
from reelqueue.store.workers import Workers


class Stores:
    """The adapters of one process to its database and to Redis."""

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
    def erasing_database(self) -> Database:
        """Connections of their own, and under another name: a dispatcher is well if *it* has used the database."""
        url = self.settings.database_url.get_secret_value()
        return Database(make_engine(url, pool_size=1, application="reelqueue-eraser", whose=EVERYBODY))

    @cached_property
    def tokens(self) -> UpstreamTokens:
        """Upstream tokens."""
        return UpstreamTokens(self.database, self.sealer, drain_s=self.settings.token_drain_s)

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
    def webhook_secrets(self) -> WebhookSecrets:
        """Replaces webhook secrets."""
        return WebhookSecrets(self.database, self.sealer)

    @cached_property
    def samples(self) -> Samples:
        """Sends samples."""
        return Samples(self.database)

    @cached_property
    def deliveries(self) -> Deliveries:
        """Webhook messages, as their tenants see them."""
        return Deliveries(self.database)

    @cached_property
    def lanes(self) -> Lanes:
        """The ways to receivers, for workers."""
        return Lanes(self.service_database, self.sealer)

    @cached_property
    def sequencer(self) -> Sequencer:
        """Numbers the feeds."""
        return Sequencer(self.service_database)

    @cached_property
    def resends(self) -> Resends:
        """Sends messages again."""
        return Resends(self.database)

    @cached_property
    def replays(self) -> Replays:
        """Sends what happened again."""
        return Replays(self.database)

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
    def feed(self) -> Feed:
        """Reads feeds."""
        return Feed(self.database)

    @cached_property
    def feed_keeping(self) -> FeedKeeping:
        """Forgets old events."""
        return FeedKeeping(self.service_database, keep=timedelta(days=self.settings.webhooks.keep_days))

    @cached_property
    def watched(self) -> Watched:
        """Knows what changed."""
        return Watched(self.service_database)

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
        return Dispatch(self.database, drain_s=self.settings.token_drain_s)

    @cached_property
    def breaker_policy(self) -> BreakerPolicy:
        """What counts as an outage."""
        return BreakerPolicy().at_speed(self.settings.speed)

    @cached_property
    def breakers(self) -> Breakers:
        """Whether NemoVideo is down."""
        return Breakers(self.database, self.breaker_policy)

    @cached_property
    def sweep(self) -> Sweep:
        """Repairs."""
        return Sweep(self.database, self.history)

    @cached_property
    def expiring(self) -> Expiring:
        """Tells of files that are deleted soon."""
        return Expiring(self.database, notice_s=self.settings.recovery.notice_s)

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
