"""Everything a process may need, made when it is first asked for, once.

A gateway never opens a connection to NemoVideo, and a dispatcher never opens the file store, since neither asks for
them.
"""

from __future__ import annotations

import ssl
from functools import cached_property
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

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
from reelqueue.kit.gcra import Gcra, connect
from reelqueue.kit.local_gcra import LocalGcra
from reelqueue.nemo.client import NemoClient
from reelqueue.nemo.headers import Attribution
from reelqueue.nemo.throttle import TokenThrottle
from reelqueue.nemo.transport import CallLimits
from reelqueue.store.blob_names import BlobNames
from reelqueue.store.erasures import Erasures
from reelqueue.store.facts_of_waiting import WaitingFacts
from reelqueue.store.ledger import Ledger
from reelqueue.store.tokens import UpstreamTokens
from reelqueue.version import VERSION
from reelqueue.wiring.stores import Stores

FETCHES_PER_HOST: Final = 8
"""Downloads of inputs from one host at once, by one process."""


class Services(Stores):
    """All adapters of one process."""

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
        policy = EgressPolicy(
            allow=self.settings.egress_allow, own_hosts=frozenset({upstream}), fetches_per_host=FETCHES_PER_HOST
        )
        return self._egress(policy)

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
            UpstreamTokens(self.service_database, self.sealer, drain_s=self.settings.token_drain_s),
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

    @cached_property
    def row_eraser(self) -> RowEraser:
        """Deletes the rows of erased tenants."""
        return RowEraser(Erasures(self.erasing_database))

    @cached_property
    def watch(self) -> Watch:
        """The breakers as this process knows them."""
        return Watch(self.breakers, policy=self.breaker_policy, clock=self.clock, rng=self.rng, metrics=self.metrics)

    def close(self) -> None:
        """Close what was opened."""
        for name, end in (("database", "dispose"), ("erasing_database", "dispose"), ("nemo", "close")):
            made = self.__dict__.get(name)
            if made is not None:
                getattr(made, end)()
