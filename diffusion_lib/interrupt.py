"""Ctrl-C without a step cut in half."""

import signal


class StopOnSignal:
    """Turns the first Ctrl-C (or SIGTERM) into a flag, so that a step is never cut in half."""

    def __enter__(self) -> "StopOnSignal":
        self.asked = False
        self.before = {s: signal.signal(s, self._ask) for s in (signal.SIGINT, signal.SIGTERM)}
        return self

    def _ask(self, number, frame) -> None:
        self.asked = True
        signal.signal(number, self.before[number])  # a second one acts at once

    def __exit__(self, *error) -> None:
        for number, handler in self.before.items():
            signal.signal(number, handler)
