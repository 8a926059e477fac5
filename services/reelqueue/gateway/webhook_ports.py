"""What the gateway needs of the store for webhook endpoints and secrets."""

from __future__ import annotations

import builtins
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from reelqueue.domain.audit import Actor
from reelqueue.domain.endpoints import Endpoint, EndpointOptions, OldSecret
from reelqueue.domain.outgoing import SentSample


class EndpointRows(Protocol):
    """A tenant's webhook endpoints."""

    def create(
        self,
        tenant_id: str,
        *,
        url: str,
        event_types: Sequence[str],
        description: str | None,
        options: EndpointOptions,
    ) -> tuple[Endpoint, str]:
        """A new endpoint and its secret, which is never shown again."""
        ...

    def find(self, tenant_id: str, endpoint_id: str) -> Endpoint:
        """One endpoint. Raises NotFound."""
        ...

    def list(self, tenant_id: str, *, before: str | None, limit: int) -> builtins.list[Endpoint]:
        """Newest first, older than the id `before`."""
        ...

    def change(self, tenant_id: str, endpoint_id: str, changes: Mapping[str, Any]) -> Endpoint:
        """Change what is named. Raises NotFound, ValidationFailed."""
        ...

    def delete(self, tenant_id: str, endpoint_id: str) -> None:
        """Forget an endpoint. Raises NotFound."""
        ...


class SecretRows(Protocol):
    """What signs."""

    def rotate(self, tenant_id: str, endpoint_id: str, *, keep_old_s: int, by: Actor) -> str:
        """A new secret for an endpoint. Raises NotFound, TooManySecrets."""
        ...

    def rotate_default(self, tenant_id: str, *, keep_old_s: int, by: Actor) -> str:
        """A new secret for jobs' own URLs. Raises NotFound, TooManySecrets."""
        ...

    def old_defaults(self, tenant_id: str) -> tuple[OldSecret, ...]:
        """What was replaced and signs yet for jobs' own URLs."""
        ...


class SampleRows(Protocol):
    """Sends samples."""

    def send(self, tenant_id: str, endpoint_id: str, *, kind: str, payload: str) -> SentSample:
        """Have one sent. Raises NotFound, EndpointNotListening."""
        ...
