from __future__ import annotations

import threading

import pytest

from reelqueue.jobs.aside import Aside

PATIENCE_S = 30.0


def test_the_caller_goes_on_while_the_call_is_under_way():
    aside, goes_on, done = Aside("test"), threading.Event(), []
    aside.begin(lambda: done.append(goes_on.wait(PATIENCE_S)))
    goes_on.set()
    aside.finish()
    assert done == [True]


def test_a_call_begins_after_the_one_before_it_has_ended():
    aside, order = Aside("test"), []
    for number in range(50):
        aside.begin(lambda number=number: order.append(number))
        assert len(order) >= number
    aside.finish()
    assert order == list(range(50))


@pytest.mark.parametrize("how", ["begin", "finish"])
def test_what_a_call_raises_is_raised_once_to_the_caller(how):
    aside, begun = Aside("test"), []
    aside.begin(lambda: {}["missing"])
    with pytest.raises(KeyError):
        aside.begin(lambda: begun.append(1)) if how == "begin" else aside.finish()
    aside.finish()
    assert begun == []
