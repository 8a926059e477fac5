"""Storage keys."""

from __future__ import annotations

import pytest

from reelqueue.files.keys import asset_key, result_key, segments, tenant_prefix

SHA = "ab" + "0" * 62


def test_keys():
    assert asset_key("ten_1", SHA) == f"t/ten_1/a/ab/{SHA}"
    assert result_key("ten_1", "job_9") == "t/ten_1/r/job_9/1.mp4"
    assert result_key("ten_1", "job_9", number=3) == "t/ten_1/r/job_9/3.mp4"
    assert tenant_prefix("ten_1") == "t/ten_1/"
    assert segments(asset_key("ten_1", SHA)) == ["t", "ten_1", "a", "ab", SHA]


@pytest.mark.parametrize("tenant", ["", ".", "..", "a/b", "a\0", "a\n", "é", "a" * 65])
def test_nothing_but_an_id_becomes_part_of_a_key(tenant: str):
    for make in (lambda: asset_key(tenant, SHA), lambda: result_key(tenant, "job_1"), lambda: tenant_prefix(tenant)):
        with pytest.raises(ValueError, match="not an id"):
            make()
    with pytest.raises(ValueError, match="not an id"):
        result_key("ten_1", tenant)


@pytest.mark.parametrize("sha", ["", "AB" + "0" * 62, "0" * 63, "../" + "0" * 61, "0" * 64 + "\n"])
def test_only_a_sha256_is_one(sha: str):
    with pytest.raises(ValueError, match="SHA-256"):
        asset_key("ten_1", sha)


@pytest.mark.parametrize(
    "key", ["", "/", "t//a", "../t", "t/../x", "t/./x", "/etc/passwd", "t/a\0b", "t/.hidden", "t/"]
)
def test_a_store_refuses_other_keys(key: str):
    with pytest.raises(ValueError, match="storage key"):
        segments(key)


def test_outputs_are_counted_from_one():
    with pytest.raises(ValueError, match="from 1"):
        result_key("ten_1", "job_1", number=0)
