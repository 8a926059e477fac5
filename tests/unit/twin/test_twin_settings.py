"""Settings, the fault registry and the names of endpoints."""

import pytest
from pydantic import ValidationError

from nemotwin.endpoints import name_of
from nemotwin.faults import Faults, UnknownFaultError
from nemotwin.mishaps import CATALOG
from nemotwin.settings import Dials, Settings, UnknownSettingError


def test_a_bad_change_changes_nothing():
    dials = Dials(Settings())
    for bad in ({"silent_rate": 2.0}, {"speed": 0}, {"heartbeat": "drum"}, {"silent_rate": 0.5, "film_fps": 0}):
        with pytest.raises(ValidationError):
            dials.change(bad)
    with pytest.raises(UnknownSettingError):
        dials.change({"silnet_rate": 0.1})
    assert dials.now == Settings()


def test_changes_hold_until_a_reset():
    dials = Dials(Settings(seed=7))
    dials.change({"edit_seconds": [1, 2]})
    assert dials.change({"silent_rate": 0.0}).edit_seconds == (1.0, 2.0)
    assert dials.reset() == Settings(seed=7)


def test_instant_work_takes_no_time():
    assert Settings(instant=True).span("generation") == (0.0, 0.0)
    assert Settings().span("generation") == (100.0, 300.0)


def arm(faults, **changes):
    given = {"name": "500", "endpoint": "state", "count": 1, "after": 0, "params": {}} | changes
    return faults.arm(given.pop("name"), given.pop("endpoint"), **given)


def test_a_fault_strikes_its_endpoint_so_many_times():
    faults = Faults(CATALOG)
    armed = arm(faults, count=2)
    taken = [faults.take(endpoint) for endpoint in ("credits", "state", "state", "state")]
    assert taken == [None, armed, armed, None]


def test_a_fault_lets_some_calls_pass():
    faults = Faults(CATALOG)
    armed = arm(faults, after=2)
    assert [faults.take("state") for _ in range(4)] == [None, None, armed, None]


def test_faults_strike_in_the_order_they_were_armed():
    faults = Faults(CATALOG)
    first, second = arm(faults), arm(faults, name="502", endpoint="*", count=None)
    assert [faults.take("state") for _ in range(3)] == [first, second, second]
    assert faults.disarm(second.fault_id) == 1
    assert faults.take("state") is None
    assert faults.disarm() == 1


@pytest.mark.parametrize(
    "changes",
    [{"name": "418"}, {"endpoint": "stat"}, {"params": {"retry": 1}}, {"params": {"status": 200}}],
)
def test_unknown_faults_are_refused(changes):
    with pytest.raises(UnknownFaultError):
        arm(Faults(CATALOG), **changes)


def test_bad_parameters_are_refused():
    with pytest.raises(ValidationError):
        arm(Faults(CATALOG), name="drop", endpoint="run_sse", params={"work": "maybe"})


@pytest.mark.parametrize(
    ("method", "path", "name"),
    [
        ("POST", "/api/auth/anonymous-token", "anonymous_token"),
        ("POST", "/api/tasks/me/with-session/nemo_agent", "create_session"),
        ("POST", "/run_sse", "run_sse"),
        ("GET", "/run_sse", None),
        ("POST", "/api/upload-video/nemo_agent/me/1", "upload"),
        ("GET", "/api/state/nemo_agent/me/1/latest", "state"),
        ("POST", "/api/render/proxy/lambda", "render_submit"),
        ("POST", "/api/render/proxy/draft", "render_submit"),
        ("GET", "/api/render/proxy/lambda/render_1", "render_status"),
        ("GET", "/api/render/proxy/render_1", "render_status"),
        ("GET", "/api/render/proxy/render_1/download", "render_download"),
        ("POST", "/api/render/proxy/lambda/render_1/cancel", "render_cancel"),
        ("GET", "/v1/run", None),
    ],
)
def test_endpoint_names(method, path, name):
    assert name_of(method, path) == name
