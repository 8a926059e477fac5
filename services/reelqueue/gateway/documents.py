"""Assets and credits as the API shows them."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from reelqueue.domain.assets import Asset
from reelqueue.domain.credits import Credits
from reelqueue.domain.repairs import repairs_json
from reelqueue.kit.clock import rfc3339


def credits_document(known: Credits) -> dict[str, Any]:
    """What a tenant has and has spent, public."""
    balance = known.balance
    return {
        "object": "credits",
        "source": known.source,
        "token": known.token_id,
        "available": None if balance is None else balance.available,
        "frozen": None if balance is None else balance.frozen,
        "total": None if balance is None else balance.total,
        "as_of": rfc3339(known.as_of),
        "this_month": asdict(known.month),
        "link": known.link,
    }


def asset_document(asset: Asset) -> dict[str, Any]:
    """The asset, public."""
    return {
        "id": asset.id,
        "object": "asset",
        "sha256": asset.sha256,
        "source_sha256": asset.source_sha256 or asset.sha256,
        "bytes": asset.bytes,
        "kind": asset.kind,
        "media_type": asset.media_type,
        "label": asset.label,
        "width": asset.width,
        "height": asset.height,
        "duration_ms": asset.duration_ms,
        "repairs": repairs_json(asset.repairs),
        "created_at": rfc3339(asset.created_at),
        "links": {"self": f"/v1/assets/{asset.id}"},
    }
