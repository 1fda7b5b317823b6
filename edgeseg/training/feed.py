"""Work that is done ahead of its use, in a thread of its own."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Made = TypeVar("Made")


def made_ahead(
    items: Iterator[Item], make: Callable[[Item], Made], *, count: int = 2
) -> Iterator[tuple[Item, Made]]:
    """Each item with what `make` makes of it, `count` of them before they are asked for.

    Items are drawn in that thread too. An error is raised where its item would have come.
    """

    def one() -> tuple[Item, Made] | None:
        for item in items:
            return item, make(item)
        return None

    pool = ThreadPoolExecutor(1)
    try:
        queue = deque(pool.submit(one) for _ in range(count))
        while (pair := queue.popleft().result()) is not None:
            queue.append(pool.submit(one))
            yield pair
    finally:
        # Whoever stops early does not wait for what nobody will use.
        pool.shutdown(cancel_futures=True)
