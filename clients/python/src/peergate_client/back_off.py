import random as randomness
from collections.abc import Callable
from dataclasses import dataclass

MAX_DOUBLINGS = 50
"""More than any range has; it keeps the power finite."""

LEAST_REPEAT_MS = 50
USUAL_REPEAT_MS = 1_000
"""After a retryable error that says nothing else."""

MAX_ASKED_MS = 120_000
"""However long a gateway asks to wait: otherwise it could make a call wait for ever."""


@dataclass(frozen=True, slots=True)
class BackOff:
    """Pauses between attempts: at most `first_ms` after the first failure, doubled with each to `last_ms`."""

    first_ms: float = 500
    last_ms: float = 30_000


def asked_ms(asked: float) -> float:
    """What the gateway asked for, in its bounds."""
    # The comparison with what is not a number is false.
    return min(asked, MAX_ASKED_MS) if asked > 0 else 0


def repeat_after_ms(asked: float | None) -> float:
    """The pause before a call is repeated: without a least one a gateway could make the client repeat without pause."""
    return USUAL_REPEAT_MS if asked is None else max(asked_ms(asked), LEAST_REPEAT_MS)


def pause_ms(
    back_off: BackOff, failures: int, least_ms: float = 0, random: Callable[[], float] = randomness.random
) -> float:
    """A pause with full jitter, so that clients which lost one gateway together do not come back together.

    Source: "Exponential Backoff and Jitter", AWS Architecture Blog, 2015.

    `failures` counts those before this one; `least_ms` is what the gateway asked for, to which the jitter is added.
    """
    return least_ms + random() * min(back_off.first_ms * 2.0 ** min(failures, MAX_DOUBLINGS), back_off.last_ms)
