from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest

from reelqueue.egress.errors import DestinationForbidden
from reelqueue.egress.policy import WEB_PORTS, EgressPolicy, parse_networks
from reelqueue.errors import UrlInvalid

pytestmark = pytest.mark.unit

STRICT = EgressPolicy()
DEMO = EgressPolicy(allow=parse_networks("127.0.0.0/8"))


@pytest.mark.parametrize("port", sorted(WEB_PORTS))
def test_web_ports_are_open(port):
    assert STRICT.destination(f"http://media.example:{port}/").port == port


@pytest.mark.parametrize(
    "port", [1, 21, 22, 25, 53, 110, 135, 139, 445, 2375, 3306, 5432, 5672, 6379, 8000, 9000, 9200, 11211, 27017]
)
def test_other_ports_are_not(port):
    for policy in (STRICT, DEMO):
        with pytest.raises(UrlInvalid):
            policy.destination(f"http://media.example:{port}/")
        with pytest.raises(UrlInvalid):
            policy.destination(f"http://1.1.1.1:{port}/")


@pytest.mark.parametrize(
    "host",
    ["localhost", "kubernetes", "metadata", "ip6-localhost", "a.localhost", "printer.local", "a.svc.cluster.local",
     "a.default.svc", "x.internal", "metadata.google.internal", "nas.lan", "a.corp", "router.home", "router.home.arpa",
     "x.onion", "1.0.0.127.in-addr.arpa",
     "metadata.amazonaws.com", "a.metadata.tencentyun.com", "localhost.localdomain", "loca\u00adlhost"],
)  # fmt: skip
def test_names_that_never_mean_the_internet(host):
    with pytest.raises(DestinationForbidden) as refused:
        STRICT.destination(f"https://{host}/")
    assert refused.value.reason == "reserved name"


@pytest.mark.parametrize(
    "host", ["mylocal.example", "internal.example", "notlocalhost.com", "corp.example", "alan.example", "lan.com"]
)
def test_names_that_only_look_so(host):
    assert STRICT.destination(f"https://{host}/").host == host


def test_https_only_if_asked_for():
    policy = EgressPolicy(allow_http=False, allow=DEMO.allow)
    with pytest.raises(UrlInvalid):
        policy.destination("http://media.example/")
    assert policy.destination("https://media.example/").port == 443
    assert policy.destination("http://127.0.0.1:9/").port == 9


def test_own_hosts_by_name_and_by_place():
    policy = EgressPolicy(own_hosts=frozenset({"API.Reelqueue.Example.", "127.0.0.1:8000"}), allow=DEMO.allow)
    for url in (
        "https://api.reelqueue.example/",
        "http://api.reelqueue.example.:8080/x",
        "http://127.0.0.1:8000/v1/jobs",
    ):
        with pytest.raises(DestinationForbidden):
            policy.destination(url)
    assert policy.destination("http://127.0.0.1:9000/").port == 9000
    assert policy.destination("https://www.reelqueue.example/").port == 443


def test_allow_opens_its_networks_and_no_more():
    assert DEMO.destination("http://127.9.9.9:12345/").address == ip_address("127.9.9.9")
    assert DEMO.destination("http://[::ffff:127.0.0.1]:12345/").address == ip_address("127.0.0.1")
    for host in ("10.0.0.1", "[::1]", "169.254.169.254", "0.0.0.0"):
        with pytest.raises(DestinationForbidden):
            DEMO.destination(f"http://{host}/")


def test_localhost_is_open_only_if_it_resolves_into_the_allowed_networks():
    destination = DEMO.destination("http://localhost:12345/hook")
    assert DEMO.check_answers(destination, (ip_address("127.0.0.1"),)) == (ip_address("127.0.0.1"),)
    for address in ("::1", "10.0.0.1", "93.184.216.34"):
        with pytest.raises(DestinationForbidden):
            DEMO.check_answers(destination, (ip_address("127.0.0.1"), ip_address(address)))


def test_a_name_may_resolve_into_an_allowed_network():
    destination = DEMO.destination("https://hooks.example/")
    answers = (ip_address("127.0.0.1"), ip_address("93.184.216.34"))
    assert DEMO.check_answers(destination, answers) == answers
    with pytest.raises(DestinationForbidden):
        STRICT.check_answers(destination, answers)


def test_checked_answers_come_unwrapped():
    destination = STRICT.destination("https://hooks.example/")
    assert STRICT.check_answers(destination, (ip_address("::ffff:8.8.8.8"),)) == (ip_address("8.8.8.8"),)


def test_networks_from_a_setting():
    assert parse_networks("") == ()
    assert parse_networks("127.0.0.0/8, ::1/128 10.1.2.3") == tuple(
        map(ip_network, ("127.0.0.0/8", "::1/128", "10.1.2.3/32"))
    )
    for text in ("127.0.0.1/8", "localhost", "300.0.0.0/8"):
        with pytest.raises(ValueError, match=r"network|host bits"):
            parse_networks(text)
