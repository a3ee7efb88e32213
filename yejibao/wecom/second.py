"""The limit of a second as the platform sees it: by when calls can have arrived, not by when we meant to send them."""

import asyncio
import math
from collections import deque

from yejibao.core import clock

REMEMBERED = 1000  # answers, of which the quickest tells how long the platform takes at least
KNOWN_AFTER = 100  # answers: the very first wait for connections, and say nothing of that


class Second:
    """Holds back what would be one call too many in some second, wherever that begins.

    A call counts from its start until a second after the latest moment at which it can have arrived: its answer less half
    the time that the platform's quickest answer took, since of that at least the way back lay behind the arrival. So
    neither a stalled loop nor a slow line can push two lots together.
    """

    def __init__(self, limit: float) -> None:
        self.limit = limit
        self._under_way = 0
        self._gone: deque[float] = deque()  # when those that were answered stop to count
        self._quickest, self._quickest_before, self._seen = math.inf, math.inf, 0
        self._turn = asyncio.Lock()

    async def begin(self) -> float:
        """Wait for a place and take it; returns the monotonic second of the start, for `end`."""
        if not self._turn.locked() and (now := self._take()):
            return now
        async with self._turn:  # those who wait are served in the order in which they came
            while not (now := self._take()):
                await asyncio.sleep(max(0.001, self._gone[0] - clock.monotonic()) if self._gone else 0.01)
            return now

    def _take(self) -> float:
        now = clock.monotonic()
        gone = self._gone
        while gone and gone[0] <= now:
            gone.popleft()
        if self._under_way + len(gone) >= self.limit:
            return 0.0
        self._under_way += 1
        return now

    def end(self, started: float, *, called: bool = True) -> None:
        """Give the place back: a second after the call can have arrived at the latest, at once when nothing was called."""
        self._under_way -= 1
        if not called:
            return
        now = clock.monotonic()
        took = now - started
        is_known = self._seen >= KNOWN_AFTER or self._quickest_before < math.inf
        quickest = min(took, self._quickest, self._quickest_before) if is_known else 0.0
        self._gone.append(now - quickest / 2 + 1.0)
        self._quickest = min(took, self._quickest)
        self._seen += 1
        if self._seen >= REMEMBERED:
            self._quickest_before, self._quickest, self._seen = self._quickest, math.inf, 0
