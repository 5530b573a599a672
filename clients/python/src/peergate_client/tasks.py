"""The messages of a consumer, which this client works on."""

import asyncio
import inspect
import math
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from itertools import count
from typing import Literal

from .calls import Call
from .connection import Connection
from .errors import PeergateError, gateway_error
from .frames import Frame, Message, message_of
from .work import Registration, Worker, registered

MAX_NAME_LENGTH = 128
"""Characters of the name of a subscription."""

LONGEST_DELAY_MS = 86_400_000
"""The longest delay that a gateway takes for `retry`."""

_numbers = count()


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A message of a consumer."""

    message: Message
    attempt: int
    """1 for the first delivery."""
    progress: Callable[[], None]
    """Tells the gateway that the work goes on: `ackWaitMs` of the consumer begins anew."""
    lost: threading.Event
    """Set when the connection is lost: the message goes to another worker, or comes again."""


@dataclass(frozen=True, slots=True)
class Retry:
    """Deliver the message again, after a pause of this many milliseconds."""

    after_ms: float
    """Rounded, and at most a day; not a number is the pause of the consumer."""


Outcome = Literal["ack", "retry", "drop"] | Retry
"""`retry`: deliver it again, after the pause of the consumer. `drop`: never deliver it again."""

TaskHandler = Callable[[Task], Outcome | None | Awaitable[Outcome | None]]
"""Works on a message. It is acknowledged when this returns, and delivered again, after a pause, when it raises.

It is cancelled when the connection is lost. What it raises is reported to the exception handler of the loop.
"""


async def work(
    connection: Connection, consumer: str, handler: TaskHandler, concurrency: int, encoding: str | None
) -> Registration:
    name = f"work {next(_numbers)} {consumer}"[:MAX_NAME_LENGTH]
    lost = threading.Event()

    def renew() -> None:
        nonlocal lost
        lost.set()
        lost = threading.Event()

    async def handle(frame: Frame) -> None:
        message = message_of(frame["message"])
        own_lost = lost

        def tell(verdict: str, delay_ms: int | None = None) -> None:
            # Of what a lost connection had, the next one says nothing: it may be with another worker.
            if own_lost.is_set():
                return
            told = {"type": "ack", "consumer": consumer, "claims": [claim], "verdict": verdict, "delayMs": delay_ms}
            connection.call(Call(frame=told, resend=False, repeat=True, counts=False))

        attempt = frame.get("attempt", 1)
        claim = frame["claim"]
        task = Task(message=message, attempt=attempt, progress=lambda: tell("progress"), lost=own_lost)
        try:
            result = handler(task)
            verdict, delay_ms = _verdict_of(await result if inspect.isawaitable(result) else result)
        except Exception as error:
            verdict, delay_ms = "retry", None
            told = f"The work on a message of {consumer} failed"
            asyncio.get_running_loop().call_exception_handler({"message": told, "exception": error})
        tell(verdict, delay_ms)

    def failure(frame: Frame) -> PeergateError | None:
        """The consumer was removed."""
        is_end = frame["type"] == "error" and "id" not in frame and frame.get("subscription") == name
        return gateway_error(frame) if is_end else None

    return await registered(
        Worker(
            connection,
            start={
                "type": "subscribe",
                "subscription": name,
                "consumer": consumer,
                "maxUnacked": concurrency,
                "encoding": encoding,
            },
            stop={"type": "unsubscribe", "subscription": name},
            # A message can come again while the work on it goes on, if this takes longer than `ackWaitMs`. Attempts
            # count from 1 again after a replay: only its claim names a delivery.
            work=lambda frame: (
                (frame["claim"], handle(frame))
                if frame["type"] == "message" and frame.get("subscription") == name
                else None
            ),
            failure=failure,
            lost=renew,
        )
    )


def _verdict_of(outcome: Outcome | None) -> tuple[str, int | None]:
    match outcome:
        case None:
            return "ack", None
        case Retry(after_ms):
            return "retry", _delay_of(after_ms)
        case "ack" | "retry" | "drop":
            return outcome, None
    raise TypeError(f"an outcome is None, 'ack', 'retry', 'drop' or Retry, not {outcome!r}")


def _delay_of(after_ms: float) -> int | None:
    """A delay that the gateway takes: it would refuse the whole verdict, and the message would only come when
    `ackWaitMs` is over."""
    return None if math.isnan(after_ms) else round(min(max(after_ms, 0), LONGEST_DELAY_MS))
