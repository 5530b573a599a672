from dataclasses import dataclass, field
from typing import Literal

from .errors import PeergateError


@dataclass(frozen=True, slots=True)
class Idle:
    """Nothing has needed a connection yet."""

    type: Literal["idle"] = field(default="idle", init=False)


@dataclass(frozen=True, slots=True)
class Connecting:
    url: str
    failures: int
    type: Literal["connecting"] = field(default="connecting", init=False)


@dataclass(frozen=True, slots=True)
class Open:
    url: str
    peer_id: str
    type: Literal["open"] = field(default="open", init=False)


@dataclass(frozen=True, slots=True)
class Waiting:
    """The connection failed or was lost; the next attempt begins after the pause."""

    pause_ms: float
    failures: int
    error: PeergateError
    type: Literal["waiting"] = field(default="waiting", init=False)


@dataclass(frozen=True, slots=True)
class Closed:
    """For good: by `close()`, or with the reason."""

    error: PeergateError | None = None
    type: Literal["closed"] = field(default="closed", init=False)


ConnectionState = Idle | Connecting | Open | Waiting | Closed
