from __future__ import annotations

from fakes.gateway import TenantClient


def test_every_phase_is_shown(tenant: TenantClient) -> None:
    answer = tenant.get("/v1/upstream")
    assert answer.status_code == 200
    shown = answer.json()
    assert (shown["object"], shown["status"]) == ("upstream", "ok")
    assert [one["phase"] for one in shown["phases"]] == ["session", "upload", "instruct", "render", "poll", "save"]
    closed = {"state": "closed", "since": None, "reason": None, "next_probe_at": None}
    assert all(one == {"phase": one["phase"], **closed} for one in shown["phases"])


def test_an_unknown_parameter_is_refused(tenant: TenantClient) -> None:
    assert tenant.get("/v1/upstream?fresh=1").status_code == 422
