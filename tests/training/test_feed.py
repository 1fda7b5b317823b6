"""Items made ahead in a thread: all of them, in order, errors in their place, closed early."""

import threading

import pytest

from edgeseg.training.feed import made_ahead


def test_items_come_in_order_with_what_is_made_of_them():
    assert list(made_ahead(iter(range(7)), lambda n: n * n)) == [(n, n * n) for n in range(7)]
    assert list(made_ahead(iter([]), str)) == []


def test_items_are_made_before_they_are_asked_for_and_not_all_at_once():
    made, third = [], threading.Event()

    def make(item):
        made.append(item)
        if item == 2:
            third.set()

    pairs = made_ahead(iter(range(50)), make, count=2)
    next(pairs)
    assert third.wait(10)
    pairs.close()
    assert len(made) <= 4


def test_an_error_comes_in_the_place_of_its_item():
    pairs = made_ahead(iter([4, 2, 0, 1]), lambda n: 8 // n)
    assert [next(pairs)[1], next(pairs)[1]] == [2, 4]
    with pytest.raises(ZeroDivisionError):
        next(pairs)
