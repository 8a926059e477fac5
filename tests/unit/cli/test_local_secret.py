from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor

import pytest

from reelqueue.cli.hooks.secret import VARIABLE, _make, local_secret
from reelqueue.webhooks.signing import SecretInvalid, generate_secret, secret_key


@pytest.fixture(autouse=True)
def no_other(monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)


def test_it_is_made_once_and_only_its_owner_may_read_it(tmp_path):
    secret, kept = local_secret(tmp_path / "new" / "reelqueue")
    file = tmp_path / "new" / "reelqueue" / "webhook_secret"
    assert (kept, file.read_text()) == (str(file), secret + "\n")
    assert len(secret_key(secret)) == 32
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert local_secret(file.parent) == (secret, kept)
    assert list(file.parent.iterdir()) == [file]


def test_it_is_in_the_users_own_directory(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert local_secret()[1] == str(tmp_path / "reelqueue" / "webhook_secret")


def test_of_many_first_calls_at_once_one_makes_it(tmp_path):
    with ThreadPoolExecutor(16) as threads:
        made = set(threads.map(lambda _: local_secret(tmp_path / "d"), range(64)))
    assert len(made) == 1
    assert [file.name for file in (tmp_path / "d").iterdir()] == ["webhook_secret"]


def test_one_that_was_made_meanwhile_is_not_replaced(tmp_path):
    before = local_secret(tmp_path)
    _make(tmp_path / "webhook_secret")
    assert local_secret(tmp_path) == before
    assert len(list(tmp_path.iterdir())) == 1


def test_a_file_that_others_may_read_is_closed_to_them(tmp_path):
    file = tmp_path / "webhook_secret"
    file.write_text(generate_secret())
    file.chmod(0o644)
    local_secret(tmp_path)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_another_may_be_named_and_nothing_is_written_then(tmp_path, monkeypatch):
    other = generate_secret()
    monkeypatch.setenv(VARIABLE, other)
    assert local_secret(tmp_path / "d") == (other, VARIABLE)
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_secret_is_refused_without_being_shown(tmp_path, monkeypatch):
    (tmp_path / "webhook_secret").write_text("whsec_c2hvcnQ=\n")
    with pytest.raises(SecretInvalid, match="24 to 64 bytes") as kept:
        local_secret(tmp_path)
    monkeypatch.setenv(VARIABLE, "hunter2")
    with pytest.raises(SecretInvalid, match="whsec_") as named:
        local_secret(tmp_path)
    assert "hunter2" not in str(named.value)
    assert "c2hvcnQ" not in str(kept.value)
