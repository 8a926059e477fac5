"""The upstream session behind a job: made once, filled with the inputs, and made again only while nothing was paid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from reelqueue.domain.assets import Asset
from reelqueue.domain.claims import Claim
from reelqueue.domain.jobs import JobInput
from reelqueue.domain.sessions import Project, ProjectState
from reelqueue.domain.tokens import TokenScope, UpstreamToken
from reelqueue.domain.upstream import LocalFile, NemoSession, SessionState
from reelqueue.errors import (
    CreditsExhausted,
    NoUpstreamToken,
    SessionNotFound,
    TokenBlocked,
    TokenRejected,
    UpstreamError,
    UpstreamForbidden,
)
from reelqueue.jobs.ports import AssetStore, Blobs, ProjectStore, UploadStore, Upstream
from reelqueue.jobs.token_desk import TokenDesk

DEFAULT_LANGUAGE = "en"
TASK_NAME = "project"
MOST_TOKENS = 4
"""How many tokens a new session is tried on, where one after the other is found dead or without credits."""


class SessionKeeper:
    """Opens sessions and brings inputs into them."""

    def __init__(
        self,
        *,
        upstream: Upstream,
        desk: TokenDesk,
        projects: ProjectStore,
        uploads: UploadStore,
        assets: AssetStore,
        blobs: Blobs,
    ) -> None:
        self._upstream = upstream
        self._desk = desk
        self._projects = projects
        self._uploads = uploads
        self._assets = assets
        self._blobs = blobs

    def project_of(self, claim: Claim) -> Project | None:
        """The job's project, if it has one whose session is known.

        What exports a version brings its own timeline along, so that a session that is lost will do as well.
        """
        if claim.job.project_id is None:
            return None
        project = self._projects.find(claim.job.tenant_id, claim.job.project_id)
        if project is None or project.state is ProjectState.READY:
            return project
        return project if claim.job.version is not None and project.session_id is not None else None

    def opened(self, claim: Claim) -> tuple[Project, bool]:
        """The job's project, its session made now if there is none; whether it was made now.

        The row comes before the call: a session whose answer was lost is known as `creating`, and another is made. A
        session costs nothing. Raises what the token desk and the call raise, and SessionNotFound where the job goes on
        with a timeline that is not there any more.
        """
        project = self.project_of(claim)
        if project is not None:
            return project, False
        if claim.job.instruction_index > 0 or claim.job.version is not None:
            raise SessionNotFound
        return self._begin(claim), True

    def fill(self, claim: Claim, project: Project, *, anew: bool = False) -> None:
        """Bring the job's inputs into the session, each once.

        An input whose sending was begun and not ended is looked for in the session first, by its content's name, so
        that a repeat adds no second copy. `anew` sends all of them: the session is a new one.
        """
        missing = [item for item in claim.job.inputs if anew or not item.sent]
        if not missing:
            return
        owned = self._owned(claim, missing)
        present = frozenset() if anew else self._present(project)
        for item in missing:
            if (item.url or owned[item.asset_id].remote_name) in present:
                self._uploads.done(claim, (item.position,))
            else:
                self._send(claim, project, item, owned.get(item.asset_id))

    def rebuilt(self, claim: Claim, project: Project | None) -> Project:
        """A new session with all inputs, in place of one that the upstream forgot before anything was paid in it.

        `None`: in place of one whose making broke off. Raises SessionNotFound where the project holds more than this
        job brought: a turn, or inputs of other jobs.
        """
        if project is not None:
            self._projects.lost(project.id)
        fresh = self._begin(claim)
        self.fill(claim, fresh, anew=True)
        return fresh

    def _begin(self, claim: Claim) -> Project:
        """A session on the token that was reserved, else on another: one that turns out to be dead costs nothing."""
        token = self._desk.for_new_project(claim.job.tenant_id, claim.job.token_id)
        for _ in range(MOST_TOKENS - 1):
            project = self._projects.begin(claim, token.id)
            try:
                return self._projects.ready(project, self._session(claim, token))
            except (TokenRejected, CreditsExhausted, UpstreamForbidden) as refusal:
                token = self._instead(claim, token, refusal)
                claim = replace(claim, job=replace(claim.job, project_id=project.id))
        project = self._projects.begin(claim, token.id)
        return self._projects.ready(project, self._session(claim, token))

    def _session(self, claim: Claim, token: UpstreamToken) -> NemoSession:
        language = claim.job.language or DEFAULT_LANGUAGE
        return self._desk.using(
            token.id, lambda credential: self._upstream.create_session(credential, name=TASK_NAME, language=language)
        )

    def _instead(self, claim: Claim, refused: UpstreamToken, refusal: UpstreamError) -> UpstreamToken:
        """Another token: the desk has noted what ails the refused one. Raises the refusal where there is none."""
        try:
            token = self._desk.for_new_project(claim.job.tenant_id)
        except (NoUpstreamToken, CreditsExhausted, TokenBlocked):
            raise refusal from None
        if isinstance(refusal, UpstreamForbidden) and token.id == refused.id:
            raise refusal
        return token

    def _owned(self, claim: Claim, items: Sequence[JobInput]) -> dict[str | None, Asset]:
        ids = sorted({item.asset_id for item in items if item.asset_id is not None})
        return {asset.id: asset for asset in self._assets.find_many(claim.job.tenant_id, ids)} if ids else {}

    def _present(self, project: Project) -> frozenset[str]:
        session_id = known_session(project)
        state = self._desk.using(project.token_id, lambda credential: self._upstream.state(credential, session_id))
        return media_names(state)

    def _send(self, claim: Claim, project: Project, item: JobInput, asset: Asset | None) -> None:
        session_id = known_session(project)
        self._uploads.begin(claim, (item.position,))
        if asset is None:
            urls = [item.url or ""]
            self._desk.using(
                project.token_id,
                lambda credential: self._upstream.upload_urls(credential, session_id, urls),
                proves=TokenScope.UPLOAD,
            )
        else:
            with self._blobs.fetch_to(asset.blob_key) as path:
                files = [LocalFile(path=path, name=asset.remote_name, media_type=asset.media_type)]
                self._desk.using(
                    project.token_id,
                    lambda credential: self._upstream.upload_files(credential, session_id, files),
                    proves=TokenScope.UPLOAD,
                )
        self._uploads.done(claim, (item.position,))


def known_session(project: Project) -> str:
    """The session id of a project that is ready."""
    assert project.session_id is not None
    return project.session_id


def media_names(state: SessionState) -> frozenset[str]:
    """Every name, URL and hash by which the session knows its uploads (shapes unknown; contract §7.3)."""
    keys = ("filename", "name", "cdn_url", "url", "source_url", "hash")
    return frozenset(str(item[key]) for item in state.uploads for key in keys if isinstance(item.get(key), str))
