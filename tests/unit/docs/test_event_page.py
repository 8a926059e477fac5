from __future__ import annotations

import json
import re

from fakes.event_schemas import published
from reelqueue.dev.docs.events import event_table, events_page
from reelqueue.domain.event_types import EVENT_TYPES, FAMILIES

PAGE = events_page()


def test_every_type_has_a_row_and_a_section_under_its_family():
    assert re.findall(r"^\| `([\w.]+)` \|", event_table(), re.MULTILINE) == list(EVENT_TYPES)
    headings = re.findall(r"^(##+) `(.+)`$", PAGE, re.MULTILINE)
    assert [name for level, name in headings if level == "##"] == list(FAMILIES)
    assert [name for level, name in headings if level == "###"] == list(EVENT_TYPES)
    family = ""
    for level, name in headings:
        family = name if level == "##" else family
        assert level == "##" or name.startswith(family.rstrip("*"))


def test_every_member_of_its_own_is_explained_and_in_words():
    schemas = published()["components"]["schemas"]
    for kind in EVENT_TYPES:
        section = PAGE.partition(f"### `{kind}`\n")[2].partition("\n##")[0]
        rows = dict(re.findall(r"^\| `(\w+)` \| (.+?) \|", section, re.MULTILINE))
        reference = published()["webhooks"][kind]["post"]["requestBody"]["content"]["application/json"]["schema"]
        body = schemas[reference["$ref"].rpartition("/")[2]]
        members = schemas[body["properties"]["data"]["$ref"].rpartition("/")[2]]["properties"]
        assert set(rows) == set(members) - {"job", "seq", "delivery_seq"}, kind
        assert all(re.fullmatch(r"[\w `\",.]+", words) for words in rows.values()), rows


def test_samples_on_the_page_are_json():
    samples = [json.loads(text) for text in re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)]
    assert {sample["type"] for sample in samples} <= set(EVENT_TYPES)
    assert len(samples) > 10
