from __future__ import annotations

import copy
import importlib.util
import ipaddress
import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import jsonschema
import pytest

from fakes.command_line import parse_command
from fakes.containers import (
    COMPOSE,
    ROOT,
    VARIABLE,
    compose,
    demo_variables,
    dockerfile,
    environment_of,
    resolved,
)
from nemotwin.cli import _parser as twin_parser
from reelqueue.dev.docs.settings import env_example, groups
from reelqueue.domain.jobs import Queue
from reelqueue.gateway.server import GRACE_S
from reelqueue.kit.limits import LEASE_S
from reelqueue.settings import SettingsInvalid, load_settings

# As published by the Compose Specification, unchanged; its licence is beside it.
SCHEMA = json.loads((ROOT / "tests/data/compose-spec.json").read_text())
SERVICES: dict[str, Any] = compose()["services"]
WORKERS = {"worker-stream": "stream", "worker-step": "step", "worker-webhook": "webhook"}
ROLES = ["migrate", "gateway", "dispatcher", *WORKERS]
OURS = [*ROLES, "trial"]
SECRETS = {"POSTGRES_PASSWORD", "REDIS_PASSWORD", "REELQUEUE_SECRET_KEY"}
TEXT = "\n".join(line for line in COMPOSE.read_text().splitlines() if not line.lstrip().startswith("#"))


def mistakes(document: object) -> list[str]:
    return [error.message for error in jsonschema.Draft202012Validator(SCHEMA).iter_errors(document)]


def seconds(text: str) -> float:
    return sum(float(n) * {"s": 1, "m": 60, "h": 3600}[unit] for n, unit in re.findall(r"(\d+)([smh])", text))


# --- the published schema ---------------------------------------------------------------------------------------------


def test_the_file_is_as_the_published_schema_says():
    assert mistakes(compose()) == []


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("services", "gateway", "comand"), ["gateway"]),
        (("services", "gateway", "healthcheck", "intervall"), "10s"),
        (("services", "gateway", "ports"), {"8000": "8000"}),
        (("services", "migrate", "depends_on", "postgres", "condition"), "healthy"),
        (("service",), {}),
    ],
)
def test_the_schema_finds_mistakes(place: tuple[str, ...], value: object):
    document = copy.deepcopy(compose())
    inner = document
    for name in place[:-1]:
        inner = inner[name]
    inner[place[-1]] = value
    assert mistakes(document)


# --- what runs --------------------------------------------------------------------------------------------------------


def test_the_services():
    assert set(SERVICES) == {"postgres", "redis", *OURS, "nemotwin"}
    assert {name: one["profiles"] for name, one in SERVICES.items() if "profiles" in one} == {
        "nemotwin": ["demo"],
        "trial": ["trial"],
    }


@pytest.mark.parametrize("name", ROLES)
def test_every_command_exists(name: str):
    command, parameters = parse_command(SERVICES[name]["command"])
    assert command == ("worker" if name in WORKERS else name)
    if name in WORKERS:
        assert parameters["queues"] == WORKERS[name]


def test_every_queue_has_a_worker():
    served = {parse_command(SERVICES[name]["command"])[1]["queues"] for name in WORKERS}
    assert served == {queue.value for queue in Queue}


def test_the_trial_is_a_module():
    python, flag, module = SERVICES["trial"]["entrypoint"]
    assert (python, flag) == ("python", "-m")
    assert importlib.util.find_spec(module) is not None


@pytest.mark.parametrize("name", ROLES[1:])
def test_every_health_check_is_of_its_own_role(name: str):
    test = SERVICES[name]["healthcheck"]["test"]
    assert test[:3] == ["CMD", "reelqueue", "health"]
    command, asked = parse_command(test[2:])
    _, started = parse_command(SERVICES[name]["command"])
    if name == "gateway":
        assert command == "health gateway"
        assert asked["port"] == started["port"]
    elif name == "dispatcher":
        assert command == "health dispatcher"
    else:
        assert command == "health worker"
        assert asked["queues"] == started["queues"]


def test_everything_that_stays_has_a_health_check():
    for name, service in SERVICES.items():
        if service.get("restart") != "no":
            assert "test" in service["healthcheck"], name


def test_a_check_has_time_to_answer_before_the_next():
    for name in ROLES[1:]:
        check = SERVICES[name]["healthcheck"]
        assert 5 <= seconds(check["timeout"]) < seconds(check["interval"]), name


# --- ports ------------------------------------------------------------------------------------------------------------


def test_only_the_gateway_is_published_and_on_loopback_only():
    published = {name: one["ports"] for name, one in SERVICES.items() if "ports" in one}
    assert list(published) == ["gateway"]
    (port,) = published["gateway"]
    address, outside, inside = resolved(port, {}).split(":")
    assert ipaddress.ip_address(address).is_loopback
    started = parse_command(SERVICES["gateway"]["command"])[1]
    default = parse_command(["gateway"])[1]
    assert int(outside) == int(inside) == started["port"] == default["port"]
    assert started["host"] == "0.0.0.0"


def test_the_ports_of_the_image_are_those_of_the_commands():
    exposed = {one.stage: [int(port) for port in one.rest.split()] for one in dockerfile() if one.word == "EXPOSE"}
    twin = twin_parser().parse_args(SERVICES["nemotwin"]["command"])
    assert exposed == {
        "runtime": [parse_command(SERVICES["gateway"]["command"])[1]["port"]],
        "twin": [twin.port, twin.cdn_port],
    }


def test_the_urls_name_services_and_their_ports():
    environment = environment_of(SERVICES["gateway"], demo_variables())
    database, broker = (urlsplit(environment[f"REELQUEUE_{name}_URL"]) for name in ("DATABASE", "REDIS"))
    assert (database.hostname, database.port) == ("postgres", 5432)
    assert (broker.hostname, broker.port) == ("redis", 6379)
    postgres = SERVICES["postgres"]["environment"]
    assert database.username == postgres["POSTGRES_USER"]
    assert database.path == f"/{postgres['POSTGRES_DB']}"
    assert database.password == resolved(postgres["POSTGRES_PASSWORD"], demo_variables())
    assert broker.password == resolved(SERVICES["redis"]["environment"]["REDISCLI_AUTH"], demo_variables())


# --- settings and secrets ---------------------------------------------------------------------------------------------


def test_every_variable_of_ours_is_a_setting():
    known = {variable.name for group in groups() for variable in group.variables}
    for name in OURS:
        assert set(SERVICES[name]["environment"]) <= known, name


def test_nothing_secret_has_a_default():
    for found in VARIABLE.finditer(TEXT):
        if found["name"] in SECRETS:
            assert found["how"] == ":?", found[0]
    for name, service in SERVICES.items():
        for key, value in service.get("environment", {}).items():
            if re.search(r"PASSWORD|SECRET|TOKEN|AUTH$|KEY$|_URL$", key) and value is not None:
                assert ":?" in value or key == "REELQUEUE_FILES__STORE_URL", (name, key)


def test_without_its_variables_nothing_starts():
    for missing in SECRETS:
        rest = {name: value for name, value in demo_variables().items() if name != missing}
        with pytest.raises(KeyError, match=missing):
            resolved(TEXT, rest)


def test_every_variable_to_set_is_in_the_example():
    listed = set(re.findall(r"^#?([A-Z][A-Z0-9_]+)=", env_example(), re.MULTILINE))
    assert {found["name"] for found in VARIABLE.finditer(TEXT)} <= listed


def test_the_public_secrets_are_read_only_when_they_are_named():
    assert "demo.env" not in TEXT
    assert "env_file" not in TEXT
    assert set(demo_variables()) >= SECRETS


def load(monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]) -> Any:
    import os

    for name in list(os.environ):
        if name.startswith(("REELQUEUE_", "NEMO_")):
            monkeypatch.delenv(name)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return load_settings()


@pytest.mark.parametrize("name", OURS)
def test_the_settings_of_a_trial_are_accepted(name: str, monkeypatch: pytest.MonkeyPatch):
    settings = load(monkeypatch, environment_of(SERVICES[name], demo_variables()))
    outside = ipaddress.ip_network(demo_variables()["REELQUEUE_SUBNET"])
    assert settings.egress_allow == (outside,)
    twin = urlsplit(settings.nemo.api_url)
    assert (twin.hostname, twin.port) == ("nemotwin", twin_parser().parse_args(SERVICES["nemotwin"]["command"]).port)


def test_the_settings_of_a_real_one_call_the_real_one(monkeypatch: pytest.MonkeyPatch):
    real = {name: value for name, value in demo_variables().items() if name in SECRETS}
    settings = load(monkeypatch, environment_of(SERVICES["worker-step"], real))
    assert settings.nemo.api_url.startswith("https://")
    assert settings.egress_allow == ()
    assert settings.speed == 1.0


def test_a_secret_key_out_of_form_is_refused(monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(SettingsInvalid, match="secret_key"):
        load(monkeypatch, environment_of(SERVICES["gateway"], {**demo_variables(), "REELQUEUE_SECRET_KEY": "short"}))


def test_the_example_network_is_the_default_one():
    (config,) = compose()["networks"]["outside"]["ipam"]["config"]
    assert resolved(config["subnet"], {}) == demo_variables()["REELQUEUE_SUBNET"]
    assert f"#REELQUEUE_SUBNET={demo_variables()['REELQUEUE_SUBNET']}" in env_example()


# --- files ------------------------------------------------------------------------------------------------------------


def test_files_are_kept_on_the_one_volume():
    for name in ("gateway", "worker-step"):
        (volume,) = SERVICES[name]["volumes"]
        source, target = volume.split(":")
        assert source == "files"
        environment = SERVICES[name]["environment"]
        for path in (
            urlsplit(environment["REELQUEUE_FILES__STORE_URL"]).path,
            environment["REELQUEUE_FILES__SPOOL_DIR"],
        ):
            assert Path(target) in Path(path).parents, path


def test_volumes_and_networks_that_are_used_are_declared_and_the_other_way_round():
    volumes = {volume.split(":")[0] for one in SERVICES.values() for volume in one.get("volumes", ())}
    networks = {network for one in SERVICES.values() for network in one["networks"]}
    assert volumes == set(compose()["volumes"])
    assert networks == set(compose()["networks"])


# --- walls ------------------------------------------------------------------------------------------------------------


def test_database_and_broker_have_no_way_out():
    assert compose()["networks"]["inside"]["internal"] is True
    for name in ("postgres", "redis", "migrate", "dispatcher"):
        assert SERVICES[name]["networks"] == ["inside"], name
    assert SERVICES["nemotwin"]["networks"] == ["outside"]


def test_only_those_who_fetch_or_deliver_have_a_way_out_and_nothing_is_published_but_the_api():
    dialling = ["gateway", *WORKERS]
    assert [name for name in ROLES if "outside" in SERVICES[name]["networks"]] == dialling
    for name, service in SERVICES.items():
        assert not {"network_mode", "extra_hosts", "links"} & set(service), name


@pytest.mark.parametrize("name", [*OURS, "redis", "nemotwin"])
def test_containers_can_write_nowhere_and_gain_nothing(name: str):
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "privileged" not in service
    assert "cap_add" not in service
    assert all("size=" in mount for mount in service["tmpfs"])


def test_images_are_pinned():
    for name, service in SERVICES.items():
        image = resolved(service["image"], {})
        assert re.search(r":v?\d+\.\d+", image), name
        assert "latest" not in image, name


def test_what_is_built_is_a_stage():
    stages = {one.stage for one in dockerfile()}
    for name, service in SERVICES.items():
        if "build" in service:
            assert service["build"]["target"] == ("twin" if name == "nemotwin" else "runtime")
            assert service["build"]["target"] in stages
            assert (ROOT / service["build"]["context"] / service["build"]["dockerfile"]).is_file()


# --- order, and the end -----------------------------------------------------------------------------------------------


def test_nothing_starts_before_what_it_needs():
    for name in ("gateway", "dispatcher", *WORKERS):
        needs = {other: how["condition"] for other, how in SERVICES[name]["depends_on"].items()}
        assert needs == {"migrate": "service_completed_successfully", "redis": "service_healthy"}, name
    assert SERVICES["migrate"]["depends_on"] == {"postgres": {"condition": "service_healthy"}}
    for service in SERVICES.values():
        assert set(service.get("depends_on", {})) <= set(SERVICES)


def test_a_live_turn_has_time_to_end(monkeypatch: pytest.MonkeyPatch):
    real = {name: value for name, value in demo_variables().items() if name in SECRETS}
    settings = load(monkeypatch, environment_of(SERVICES["worker-stream"], real))
    assert seconds(SERVICES["worker-stream"]["stop_grace_period"]) >= settings.steps.turn_total_s + LEASE_S
    assert seconds(SERVICES["worker-webhook"]["stop_grace_period"]) > settings.webhooks.total_s
    assert seconds(SERVICES["worker-step"]["stop_grace_period"]) >= LEASE_S
    assert seconds(SERVICES["gateway"]["stop_grace_period"]) > GRACE_S


def test_the_broker_keeps_nothing_and_drops_nothing():
    script = resolved(SERVICES["redis"]["command"][-1], demo_variables())
    assert 'save ""' in script
    assert "appendonly no" in script
    assert "maxmemory-policy noeviction" in script
    assert demo_variables()["REDIS_PASSWORD"] not in script


def test_the_stand_in_gives_out_urls_that_lead_back_to_it():
    twin = SERVICES["nemotwin"]
    arguments = twin_parser().parse_args(twin["command"])
    assert arguments.host == twin["hostname"] == "nemotwin"
    assert f"http://{arguments.host}:{arguments.port}/healthz" in twin["healthcheck"]["test"][-1]
    assert str(arguments.data) == twin["volumes"][0].split(":")[1]
    assert str(arguments.speed).removesuffix(".0") == demo_variables()["REELQUEUE_SPEED"]
