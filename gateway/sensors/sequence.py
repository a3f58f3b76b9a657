"""Messages with a number that grows by one with each: a number that is missing is a message that was lost.

A device that starts anew counts anew. It says so with another `boot` beside the number; without one, a number
that is lower than the one before is a new start, too. What comes again (a redelivery) has a number that is
known, and is no loss.
"""

from typing import Final

MAX_NUMBER: Final = 2**64
"""No device counts further; a larger number is a broken message."""

Boot = str | int | None


class Sequence:
    """The numbers of one sensor's messages. Fed with each message, it says whether one is missing before it.

    The first message of all has none before it: what was lost while the gateway was away is not told here
    (its restart is a gap by itself, unless the broker kept what came).
    """

    def __init__(self) -> None:
        self._last: int | None = None
        self._boot: Boot = None

    def misses(self, number: object, boot: object = None) -> bool:
        """Whether a message was lost between the one before and this.

        A message without a number may be one that nobody expected, so it counts as one after a loss: what is
        not known to be whole is not called whole.
        """
        if type(number) is not int or not 0 <= number < MAX_NUMBER:
            return True
        start: Boot = boot if isinstance(boot, str | int) else None
        last, known = self._last, self._boot
        if last is None or start != known:
            self._last, self._boot = number, start
            return False
        if number <= last:
            if start is None and number < last:
                self._last = number  # it has started anew, or an old message came again
            return False
        self._last = number
        return number != last + 1
