from dataclasses import dataclass, field
from typing import Literal

from .frames import Message


@dataclass(frozen=True, slots=True)
class MessageItem:
    message: Message
    cursor: str
    type: Literal["message"] = field(default="message", init=False)


@dataclass(frozen=True, slots=True)
class Gap:
    """Messages after `from_`, up to and including `to`, are missing: `pruned`, `damaged` or `deleted`.

    With `expired` all up to `to` may be, and with `other-log` the cursor was of another log.
    """

    from_: str
    to: str
    reason: str
    cursor: str
    topic: str | None = None
    direct: bool = False
    type: Literal["gap"] = field(default="gap", init=False)


@dataclass(frozen=True, slots=True)
class CaughtUp:
    """All messages that were stored when the subscription began have come. Once."""

    cursor: str
    type: Literal["caught_up"] = field(default="caught_up", init=False)


Item = MessageItem | Gap | CaughtUp
"""What a subscription gives, in the order of the log."""
