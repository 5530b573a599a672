"""What can be chosen, for both clients: the one with asyncio and the one without."""

from typing import Literal, TypedDict

from .back_off import BackOff
from .connection import Token
from .cursors import CursorStore


class ClientOptions(TypedDict, total=False):
    token: Token
    """A function is called for each connection and each call of REST; only with it a connection outlives its token."""
    back_off: BackOff
    """Pauses between attempts to connect."""
    connect_timeout_ms: float
    """Until a connection is open (15,000)."""
    heartbeat_ms: float
    """Between pings, and for their answers (25,000)."""
    max_frame_bytes: int
    """Of a frame of the gateway (64 MiB); a larger one ends the client."""
    max_pending_calls: int
    """Publications and other calls that wait for their answers at once (1,000)."""


class SubscriptionOptions(TypedDict, total=False):
    after: str
    """A cursor, `earliest` or `latest` (the default); a position in `cursors` comes first."""
    cursors: CursorStore | None
    direct: bool | None
    """Whether to include direct messages."""
    own: bool | None
    """Whether to include what this client publishes on its present connection; by default yes."""
    encoding: Literal["base64", "json"] | None
    """`base64` for all data, `json` for data that is JSON text as a value."""
    max_buffered_items: int
    """With as many values waiting for the application (1,000), the gateway sends no more."""
    max_buffered_characters: int
    """The same for the characters of their frames (8 Mi)."""
