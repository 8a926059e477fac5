from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelqueue.errors import CursorInvalid
from reelqueue.gateway.cursors import Cursors

CURSORS = Cursors(b"k" * 32)
IDS = st.text(st.sampled_from("abc_0123"), min_size=1, max_size=40)
FILTERS = st.dictionaries(st.text(max_size=5), st.lists(st.text(max_size=5), max_size=3), max_size=3)


@given(IDS, st.text(max_size=10), st.text(max_size=10), FILTERS)
def test_a_cursor_comes_back(last: str, name: str, tenant: str, filters: dict[str, list[str]]) -> None:
    cursor = CURSORS.make(last, of=name, tenant_id=tenant, filters=filters)
    turned = {name: list(reversed(filters[name])) for name in reversed(filters)}
    assert CURSORS.read(cursor, of=name, tenant_id=tenant, filters=turned) == last


@given(IDS, st.data())
def test_one_changed_character_is_refused(last: str, data: st.DataObject) -> None:
    cursor = CURSORS.make(last, of="jobs", tenant_id="t", filters={})
    place = data.draw(st.integers(0, len(cursor) - 1))
    other = data.draw(st.sampled_from("ABCabc012-_=.%").filter(lambda one: one != cursor[place]))
    changed = cursor[:place] + other + cursor[place + 1 :]
    with pytest.raises(CursorInvalid):
        CURSORS.read(changed, of="jobs", tenant_id="t", filters={})


@pytest.mark.parametrize(
    ("of", "tenant", "filters", "key"),
    [
        ("assets", "t", {}, b"k" * 32),
        ("jobs", "u", {}, b"k" * 32),
        ("jobs", "t", {"status": ["failed"]}, b"k" * 32),
        ("jobs", "t", {}, b"j" * 32),
    ],
)
def test_a_cursor_is_for_one_list_tenant_filter_and_key(
    of: str, tenant: str, filters: dict[str, list[str]], key: bytes
) -> None:
    cursor = CURSORS.make("job_1", of="jobs", tenant_id="t", filters={})
    with pytest.raises(CursorInvalid):
        Cursors(key).read(cursor, of=of, tenant_id=tenant, filters=filters)


@given(st.text(max_size=300))
def test_any_text_is_refused_calmly(text: str) -> None:
    with pytest.raises(CursorInvalid):
        CURSORS.read(text, of="jobs", tenant_id="t", filters={})
