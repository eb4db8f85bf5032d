"""What both sides of a canary did in the latest seconds.

The problem: several workers report once a second, for minutes, and each look must cost the same. The rule: the window
is cut into steps whose counts are added to one sum when they come, and taken out of it when they grow old.
"""

from __future__ import annotations

from collections import deque

from gateway.observability.outcomes import Outcomes

STEPS = 30


class Window:
    """The sums of a sliding window; `now` is monotonic seconds."""

    def __init__(self, seconds: float, now: float) -> None:
        self._seconds = seconds
        self.restart(now)

    def restart(self, now: float) -> None:
        """Forget what was seen: something else is looked at from here on."""
        self.began = now
        self.canary, self.stable = Outcomes(), Outcomes()
        self._steps: deque[tuple[float, Outcomes, Outcomes]] = deque()

    def add(self, now: float, canary: Outcomes, stable: Outcomes) -> None:
        """Count what one worker has seen since its last report."""
        self.expire(now)
        if not self._steps or now - self._steps[-1][0] >= self._seconds / STEPS:
            self._steps.append((now, Outcomes(), Outcomes()))
        _, canary_step, stable_step = self._steps[-1]
        for total, step, grown in (
            (self.canary, canary_step, canary),
            (self.stable, stable_step, stable),
        ):
            total.add(grown)
            step.add(grown)

    def expire(self, now: float) -> None:
        """Let go what is older than the window."""
        while self._steps and now - self._steps[0][0] >= self._seconds:
            _, canary, stable = self._steps.popleft()
            self.canary.add(canary, -1)
            self.stable.add(stable, -1)

    def whole(self, now: float) -> bool:
        """Whether it was looked at for as long as the window is."""
        return now - self.began >= self._seconds
