"""A bounded hand-over between two threads that keeps every item, or the newest."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Finished(Exception):
    """The giver has closed the hand-over and everything given has been taken."""


class Handoff(Generic[Item]):
    """A queue of at most `capacity` items.

    newest: True makes `give` throw away the oldest item where the queue is full,
    and count it in `dropped`; False makes it wait for room.
    """

    def __init__(self, *, capacity: int, newest: bool = False) -> None:
        self.dropped = 0
        self._newest = newest
        self._items: deque[Item] = deque()
        self._capacity = capacity
        self._condition = threading.Condition()
        self._closed = False

    def give(self, item: Item) -> bool:
        """Add an item; False where the hand-over was closed and nobody will take it."""
        with self._condition:
            if self._newest and len(self._items) >= self._capacity:
                self._items.popleft()
                self.dropped += 1
            while len(self._items) >= self._capacity and not self._closed:
                self._condition.wait()
            if self._closed:
                return False
            self._items.append(item)
            self._condition.notify_all()
            return True

    def take(self, timeout: float | None = None) -> Item | None:
        """The oldest item, or None after `timeout` seconds. Raises Finished at the end."""
        with self._condition:
            self._condition.wait_for(lambda: self._items or self._closed, timeout)
            if self._items:
                item = self._items.popleft()
                self._condition.notify_all()
                return item
            if self._closed:
                raise Finished
            return None

    def __iter__(self) -> Iterator[Item]:
        """Every item until the hand-over is finished."""
        while True:
            try:
                item = self.take()
            except Finished:
                return
            if item is not None:
                yield item

    def close(self, *, discard: bool = False) -> None:
        """No more items come (`discard`: and those waiting are not wanted any more)."""
        with self._condition:
            self._closed = True
            if discard:
                self._items.clear()
            self._condition.notify_all()
