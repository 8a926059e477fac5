from __future__ import annotations

import pytest

from reelqueue.domain.links import NotForLinks, claim_link, credits_link, registration_link
from reelqueue.domain.upstream import ClaimToken

WEB = "https://nemovideo.com/"


def test_the_anonymous_register_and_all_others_top_up():
    assert registration_link(WEB, "anon_9f0c") == "https://nemovideo.com/register?bind=anon_9f0c"
    assert credits_link(WEB, "user_1") == credits_link(WEB, None) == "https://nemovideo.com"


def test_a_browser_link_holds_a_claim_token():
    assert claim_link(WEB, ClaimToken("clm_abc")) == "https://nemovideo.com/workspace/claim?ct=clm_abc"


@pytest.mark.parametrize(
    "token",
    [
        "nmv_usr_canary",
        "clm_a&token=nmv_usr_canary",
        "clm_nmv_usr_canary",
        "clm_x.nmv_usr_canary",
        "",
        "clm_",
        "clm_a b",
    ],
)
def test_nothing_else_gets_into_a_link_and_no_error_repeats_it(token):
    with pytest.raises(NotForLinks) as caught:
        claim_link(WEB, ClaimToken(token))
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize("user_id", ["anon_", "anon_x/../y", "anon_x?y", "nmv_usr_x", "anon_nmv_usr_x"])
def test_a_strange_user_id_makes_no_registration_link(user_id):
    assert registration_link(WEB, user_id) is None
