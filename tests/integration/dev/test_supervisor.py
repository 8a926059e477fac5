"""The supervisor against real processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import psutil
import pytest

from fixtures.eventually import Eventually
from reelqueue.dev.account import unprivileged_account
from reelqueue.dev.errors import DirectoryInUse, RoleFailed
from reelqueue.dev.leftovers import end_marked
from reelqueue.dev.process import RestartPolicy, Role, spawn
from reelqueue.dev.supervisor import Supervisor
from reelqueue.dev.valkey import EmbeddedValkey

ENV = {"PATH": os.environ["PATH"]}
QUICK = RestartPolicy(first_s=0.01, cap_s=0.05)
Supervise = Callable[..., Supervisor]


def shell(name: str, script: str, **more: Any) -> Role:
    return Role(name, ["/bin/sh", "-c", script], env=ENV, **more)


def gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


@pytest.fixture
def supervise(tmp_path: Path) -> Iterator[Supervise]:
    made: list[Supervisor] = []

    def make(*roles: Role, **more: Any) -> Supervisor:
        supervisor = Supervisor(roles, tmp_path / "logs", **{"policy": QUICK, **more})
        made.append(supervisor)
        return supervisor

    yield make
    for supervisor in made:
        supervisor.kill()


def test_roles_run_in_sessions_of_their_own_and_stop_ends_them(supervise: Supervise) -> None:
    supervisor = supervise(shell("a", "exec sleep 600"), shell("b", "exec sleep 600"))
    supervisor.start()
    pids = supervisor.pids()
    assert set(pids) == {"a", "b"}
    assert all(os.getsid(pid) == pid != os.getsid(0) for pid in pids.values())
    supervisor.stop()
    assert supervisor.pids() == {}
    assert not any(psutil.pid_exists(pid) for pid in pids.values())


def test_a_killed_role_is_started_again_and_reported(supervise: Supervise, eventually: Eventually) -> None:
    reported: list[Mapping[str, int]] = []
    supervisor = supervise(shell("a", "exec sleep 600"), shell("b", "exec sleep 600"), on_change=reported.append)
    supervisor.start()
    before = supervisor.pids()
    for _ in range(4):  # more often than the supervisor puts up with from a role that never worked
        victim = supervisor.pids()["a"]
        os.kill(victim, signal.SIGKILL)
        eventually(lambda victim=victim: supervisor.pids().get("a", victim) != victim)
    after = supervisor.pids()
    assert after["b"] == before["b"]
    eventually(lambda: reported[-1] == after)
    assert before in reported


def test_roles_start_together(supervise: Supervise, tmp_path: Path) -> None:
    # Each becomes ready only when the other runs too: one after the other would wait for ever.
    def role(name: str, other: str) -> Role:
        return shell(name, f"touch {name}; exec sleep 600", cwd=tmp_path, ready=(tmp_path / other).exists)

    supervise(role("a", "b"), role("b", "a")).start()


def test_a_role_waits_for_those_it_comes_after(supervise: Supervise, tmp_path: Path, eventually: Eventually) -> None:
    first = shell("first", "exec sleep 600", ready=(tmp_path / "go").exists)
    supervisor = supervise(first, shell("second", "exec sleep 600", after=("first",)))
    starting = threading.Thread(target=supervisor.start)
    starting.start()
    eventually(lambda: set(supervisor.pids()) == {"first"})
    (tmp_path / "go").touch()
    starting.join()
    assert set(supervisor.pids()) == {"first", "second"}


def test_stop_goes_in_reverse(supervise: Supervise, tmp_path: Path) -> None:
    def role(name: str, *after: str) -> Role:
        # It ends at once itself, but only after it has seen that whoever needed it is gone.
        script = f"trap 'echo {name} >> order; exit 0' TERM; touch {name}; while :; do sleep 0.01; done"
        return shell(name, script, cwd=tmp_path, after=after, ready=(tmp_path / name).exists)

    supervisor = supervise(role("database"), role("broker"), role("gateway", "database"), role("proxy", "gateway"))
    supervisor.start()
    supervisor.stop()
    order = (tmp_path / "order").read_text().split()
    assert order.index("proxy") < order.index("gateway") < order.index("database")
    assert sorted(order) == ["broker", "database", "gateway", "proxy"]


@pytest.mark.parametrize("speaker_outlives", [("listener",), ("listener", "nobody")])
def test_a_role_is_stopped_after_those_it_outlives_though_it_did_not_wait_for_them(
    supervise: Supervise, tmp_path: Path, speaker_outlives: tuple[str, ...]
) -> None:
    def role(name: str, last_words: str, other: str, outlives: tuple[str, ...]) -> Role:
        script = f"trap '{last_words}' TERM; touch {name}; while :; do sleep 0.01; done"
        return shell(name, script, cwd=tmp_path, outlives=outlives, ready=(tmp_path / other).exists)

    # Each waits for the other at the start. At the end the listener takes its time, and the speaker has to stay.
    listener = role("listener", "sleep 0.3; echo listener >> order; exit 0", "speaker", ())
    speaker = role("speaker", "echo speaker >> order; exit 0", "listener", speaker_outlives)
    supervisor = supervise(speaker, listener)
    supervisor.start()
    supervisor.stop()
    assert (tmp_path / "order").read_text().split() == ["listener", "speaker"]


def test_roles_that_outlive_each_other_are_stopped_together(supervise: Supervise) -> None:
    supervisor = supervise(shell("a", "exec sleep 600", outlives=("b",)), shell("b", "exec sleep 600", outlives=("a",)))
    supervisor.start()
    pids = supervisor.pids().values()
    supervisor.stop()
    assert [pid for pid in pids if not gone(pid)] == []


def test_a_role_that_ignores_its_stop_signal_is_killed(supervise: Supervise, tmp_path: Path) -> None:
    script = "trap 'touch asked' TERM; touch up; while :; do sleep 0.01; done"
    role = shell("deaf", script, cwd=tmp_path, ready=(tmp_path / "up").exists, stop_timeout_s=0.3)
    supervisor = supervise(role)
    supervisor.start()
    pid = supervisor.pids()["deaf"]
    supervisor.stop()
    assert gone(pid)
    assert (tmp_path / "asked").exists()


def test_a_roles_own_stop_signal_is_used(supervise: Supervise, tmp_path: Path) -> None:
    script = "trap 'touch asked; exit 0' USR2; touch up; while :; do sleep 0.01; done"
    role = shell("a", script, cwd=tmp_path, ready=(tmp_path / "up").exists, stop_signal=signal.SIGUSR2)
    supervisor = supervise(role)
    supervisor.start()
    supervisor.stop()
    assert (tmp_path / "asked").exists()


GRANDCHILDREN = "sleep 600 & echo $! >> ids; setsid sleep 600 & echo $! >> ids; touch up; wait"


@pytest.mark.parametrize("end", ["stop", "death"])
def test_grandchildren_go_too(supervise: Supervise, tmp_path: Path, eventually: Eventually, end: str) -> None:
    supervisor = supervise(shell("a", GRANDCHILDREN, cwd=tmp_path, ready=(tmp_path / "up").exists))
    supervisor.start()
    same_group, own_session = map(int, (tmp_path / "ids").read_text().split())
    assert not gone(same_group)
    assert not gone(own_session)
    if end == "death":
        os.kill(supervisor.pids()["a"], signal.SIGKILL)
        eventually(lambda: gone(same_group))  # before the next one starts: it may hold the port
    supervisor.stop()
    eventually(lambda: gone(same_group) and gone(own_session))


def test_a_role_that_cannot_start_is_reported_with_its_last_words(supervise: Supervise) -> None:
    steady = shell("steady", "exec sleep 600")
    supervisor = supervise(steady, shell("broken", "echo no such setting >&2; exit 3", ready=lambda: False))
    with pytest.raises(RoleFailed, match=r"broken ended with status 3 .*\n.*no such setting"):
        supervisor.start()
    assert supervisor.pids() == {}


def test_a_missing_program_is_named(supervise: Supervise) -> None:
    with pytest.raises((RoleFailed, FileNotFoundError), match="/no/such/program"):
        supervise(Role("a", ["/no/such/program"], env=ENV, ready=lambda: False)).start()


def test_a_role_that_never_becomes_ready_is_named(supervise: Supervise) -> None:
    def refused() -> bool:
        raise ConnectionRefusedError

    supervisor = supervise(shell("idle", "echo thinking; exec sleep 600", ready=refused), shell("b", "exec sleep 600"))
    with pytest.raises(RoleFailed, match=r"not ready within 0.5 s: idle\n(.|\n)*thinking"):
        supervisor.start(timeout_s=0.5)
    assert supervisor.pids() == {}


def test_a_stop_asked_for_while_starting_is_heard(supervise: Supervise) -> None:
    stop = threading.Event()
    supervisor = supervise(shell("a", "exec sleep 600", ready=lambda: bool(stop.set())))
    supervisor.start(stop=stop)
    supervisor.run_until(stop)
    assert supervisor.pids() == {}


@pytest.mark.parametrize("after", [("b",), ("nobody",)])
def test_an_order_that_cannot_be_kept_is_refused(supervise: Supervise, after: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="a comes after"):
        supervise(shell("a", "exit", after=after), shell("b", "exit")).start()


def test_two_roles_of_one_name_are_refused(supervise: Supervise) -> None:
    with pytest.raises(ValueError, match="two roles"):
        supervise(shell("a", "exit"), shell("a", "exit")).start()


def test_one_log_directory_has_one_supervisor(supervise: Supervise) -> None:
    first = supervise(shell("a", "exec sleep 600"))
    first.start()
    before = first.pids()
    with pytest.raises(DirectoryInUse):
        supervise(shell("a", "exec sleep 600")).start()
    assert first.pids() == before
    assert not gone(before["a"])


def test_an_error_in_on_change_stops_everything_and_is_not_lost(supervise: Supervise) -> None:
    seen: list[int] = []

    def fail(pids: Mapping[str, int]) -> None:
        seen.extend(pids.values())
        raise OSError(28, "No space left on device")

    def run() -> None:  # it may strike before or after the last role is ready
        supervisor.start()
        supervisor.run_until(threading.Event())

    supervisor = supervise(shell("a", "exec sleep 600"), on_change=fail)
    with pytest.raises(OSError, match="No space left"):
        run()
    assert seen
    assert all(gone(pid) for pid in seen)


def test_an_adopted_server_is_kept_up_and_stopped_last(
    supervise: Supervise, tmp_path: Path, eventually: Eventually
) -> None:
    with EmbeddedValkey(tmp_path / "valkey", tethered=True) as server:
        # The pause gives a server that was told to stop at the same time the time to do so.
        trap = f"sleep 0.3; kill -0 {server.pid} && touch in-order; exit 0"
        script = f"trap '{trap}' TERM; touch up; while :; do sleep 0.01; done"
        role = shell("client", script, cwd=tmp_path, ready=(tmp_path / "up").exists)
        supervisor = supervise(role)
        supervisor.adopt(server.role(), server.process)
        supervisor.start()
        adopted = server.pid
        assert supervisor.pids()["valkey"] == adopted
        supervisor.stop()
        assert (tmp_path / "in-order").exists()
        assert gone(adopted)
    with EmbeddedValkey(tmp_path / "valkey", tethered=True) as server:
        url = server.url
        supervisor = supervise()
        supervisor.adopt(server.role(), server.process)
        supervisor.start()
        server.kill()
        eventually(server.is_ready)
        assert server.url == url
        assert server.pid == supervisor.pids()["valkey"]
        supervisor.stop()
        assert not server.is_ready()


PROGRAM = """
import os, signal, sys, threading
from pathlib import Path
import structlog
from reelqueue.dev.process import Role
from reelqueue.dev.supervisor import Supervisor, stop_on_signals
structlog.configure(logger_factory=structlog.PrintLoggerFactory(file=sys.stderr))
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # whoever runs the tests may ignore it, as nohup does
here, grandchildren, stop_timeout_s = Path(sys.argv[1]), sys.argv[2], float(sys.argv[3])
deaf = "trap '' TERM INT; touch deaf; while :; do sleep 0.05; done"
common = {"env": {"PATH": os.environ["PATH"]}, "cwd": here}
roles = [
    Role("a", ["/bin/sh", "-c", grandchildren], ready=(here / "up").exists, **common),
    Role("deaf", ["/bin/sh", "-c", deaf], ready=(here / "deaf").exists, stop_timeout_s=stop_timeout_s, **common),
]
stop = threading.Event()
supervisor = Supervisor(roles, here / "logs")
with stop_on_signals(stop):
    supervisor.start(stop=stop)
    print(*supervisor.pids().values(), flush=True)
    supervisor.run_until(stop)
print("clean", flush=True)
"""


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Callable[[float], tuple[subprocess.Popen[str], list[int]]]]:
    """Starts a program that supervises two roles; gives it and all process ids below it."""
    started: list[subprocess.Popen[str]] = []

    def start(stop_timeout_s: float) -> tuple[subprocess.Popen[str], list[int]]:
        command = [sys.executable, "-c", PROGRAM, str(tmp_path), GRANDCHILDREN, str(stop_timeout_s)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout is not None
        roles = [int(word) for word in process.stdout.readline().split()]
        assert len(roles) == 2, process.stderr and process.stderr.read()
        return process, [*roles, *map(int, (tmp_path / "ids").read_text().split())]

    yield start
    run = tmp_path / "logs" / "run"
    for process in started:
        process.kill()
        process.communicate()
    if run.exists():
        end_marked(run.read_text())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_everything_and_the_program_ends_well(program: Any, number: signal.Signals) -> None:
    process, pids = program(0.2)
    process.send_signal(number)
    output, errors = process.communicate(timeout=30)
    assert (process.returncode, output.strip()) == (0, "clean"), errors
    assert all(gone(pid) for pid in pids)


def test_a_second_signal_does_not_wait(program: Any, eventually: Eventually) -> None:
    process, pids = program(600.0)
    process.send_signal(signal.SIGINT)
    eventually(lambda: gone(pids[0]))
    assert process.poll() is None, "one role takes its time"
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    assert process.returncode != 0
    assert all(gone(pid) for pid in pids)


def test_children_go_with_a_supervisor_that_is_killed_and_the_next_ends_the_rest(
    program: Any, supervise: Supervise, eventually: Eventually
) -> None:
    process, pids = program(10.0)
    process.kill()
    roles, grandchildren = pids[:2], pids[2:]
    if sys.platform == "linux":
        eventually(lambda: all(gone(pid) for pid in roles))
    supervise(shell("a", "exec sleep 600")).start()
    eventually(lambda: all(gone(pid) for pid in grandchildren))


def test_the_log_is_private_kept_and_capped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = tmp_path / "logs" / "a.log"
    for word in ("first", "second"):
        child = spawn(shell("a", f"echo {word}"), log_path=log, tethered=False)
        assert child.reap() == 0
        assert child.log_tail() == word
    assert log.read_text() == "first\nsecond\n"
    assert log.stat().st_mode & 0o777 == 0o600
    monkeypatch.setattr("reelqueue.dev.process._LOG_CAP_BYTES", 5)
    assert spawn(shell("a", "echo third"), log_path=log, tethered=False).reap() == 0
    assert log.read_text() == "third\n"
    assert log.with_name("a.log.1").read_text() == "first\nsecond\n"


def test_nothing_is_inherited_from_our_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REELQUEUE_SECRET", "x")
    child = spawn(shell("a", "env"), log_path=tmp_path / "a.log", tethered=True)
    assert child.reap() == 0
    assert "REELQUEUE_SECRET" not in child.log_tail(100)


def test_delays_double_from_a_fifth_of_a_second_to_five() -> None:
    policy = RestartPolicy()
    assert [policy.delay_s(failures) for failures in range(1, 8)] == [0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]
    assert policy.delay_s(100_000) == 5.0
    assert "secret" not in repr(Role("a", [], env={"KEY": "secret"}))


def test_root_is_given_up_with_all_its_groups(tmp_path: Path) -> None:
    account = unprivileged_account()
    uid, gid = (account.uid, account.gid) if account else (os.getuid(), os.getgid())
    launcher = Path(spawn.__code__.co_filename).with_name("launcher.py")
    give_up = ["-", str(uid), str(gid)] if account else ["-", "-", "-"]
    script = "id -u; id -ru; id -g; id -rg; id -G"
    done = subprocess.run(
        [sys.executable, "-I", "-S", launcher, str(os.getpid()), *give_up, "/bin/sh", "-c", script],
        extra_groups=[0, 4242] if account else None,
        capture_output=True,
        text=True,
        check=True,
    )
    *ids, groups = done.stdout.splitlines()
    assert [int(number) for number in ids] == [uid, uid, gid, gid]
    assert {int(number) for number in groups.split()} == ({gid} if account else {gid, *os.getgroups()})


def test_a_child_whose_parent_died_before_the_tie_does_not_start(tmp_path: Path) -> None:
    launcher = Path(spawn.__code__.co_filename).with_name("launcher.py")
    not_the_parent = os.getppid()
    tie = [str(not_the_parent), str(int(signal.SIGKILL)), "-", "-"]
    done = subprocess.run([sys.executable, "-I", "-S", launcher, *tie, "touch", tmp_path / "started"], check=False)
    assert done.returncode == -signal.SIGKILL
    assert not (tmp_path / "started").exists()
