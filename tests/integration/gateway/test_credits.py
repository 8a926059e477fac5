from __future__ import annotations

from fakes.gateway import TenantClient


def test_a_tenant_without_a_token_has_nothing_and_is_told_so(tenant: TenantClient) -> None:
    answer = tenant.get("/v1/credits")
    assert answer.status_code == 200
    shown = answer.json()
    assert (shown["source"], shown["available"], shown["token"], shown["link"]) == ("none", None, None, None)
    assert shown["this_month"] == {"spent": 0.0, "turns": 0, "unknown": 0}


def test_an_unknown_parameter_is_refused(tenant: TenantClient) -> None:
    assert tenant.get("/v1/credits?fresh=1").status_code == 422
