import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .data import Payload

Frame = dict[str, Any]
"""A frame of the stream (docs/stream-protocol.md)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate(Payload):
    """A message that a validator judges: not stored yet."""

    id: str
    kind: str
    """`topic` or `direct`."""
    topic: str | None
    to: str | None
    from_: str
    sequence: str
    signature: str
    public_key: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Message(Candidate):
    """A message of a topic, or a direct one. `bytes(message)` gives its data as bytes."""

    cursor: str
    """The position after this message."""
    received_at: str


@dataclass(frozen=True, slots=True)
class Delivery:
    """The state of a direct message."""

    id: str
    to: str
    state: str


def candidate_of(fields: Frame) -> Candidate:
    return Candidate(**_common(fields))


def message_of(fields: Frame) -> Message:
    return Message(**_common(fields), cursor=fields["cursor"], received_at=fields.get("receivedAt", ""))


def _common(fields: Frame) -> dict[str, Any]:
    return {
        "data": fields.get("data"),
        "encoding": fields["encoding"],
        "id": fields["id"],
        "kind": fields.get("kind", ""),
        "topic": fields.get("topic"),
        "to": fields.get("to"),
        "from_": fields.get("from", ""),
        "sequence": fields.get("sequence", ""),
        "signature": fields.get("signature", ""),
        "public_key": fields.get("publicKey"),
    }


def encode_frame(frame: Frame) -> bytes:
    """Raises TypeError or ValueError for what is no JSON. Fields that are None are left out, but not in `data`."""
    given = {name: value for name, value in frame.items() if value is not None or name == "data"}
    return json.dumps(given, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


Kind = type | tuple[type, ...]

_NUMBER = (int, float)
_MESSAGE: Mapping[str, Kind] = {"cursor": str, "id": str, "encoding": str}
_CANDIDATE: Mapping[str, Kind] = {"id": str, "encoding": str}
_DELIVERY: Mapping[str, Kind] = {"id": str, "to": str, "state": str}

_NEEDED: Mapping[str, Mapping[str, Kind | Mapping[str, Kind]]] = {
    "welcome": {"peerId": str, "heartbeatMs": _NUMBER},
    "subscribed": {"cursor": str},
    "message": {"message": _MESSAGE},
    "caught-up": {"cursor": str},
    "progress": {"cursor": str},
    "gap": {"from": str, "to": str, "reason": str},
    "published": {"messageId": str, "cursor": str, "recipients": int, "gateway": str},
    "queued": {"delivery": _DELIVERY},
    "response": {"encoding": str},
    "request": {"requestId": str, "from": str, "service": str, "encoding": str, "deadline": str},
    "cancelled": {"requestId": str},
    "validation": {"validationId": str, "message": _CANDIDATE},
    "error": {"code": str},
    "closing": {"retryAfterMs": _NUMBER},
}
"""The fields without which a frame cannot be handled, with their types."""


def parse_frame(text: str | bytes) -> Frame | None:
    """Reads a frame of the gateway; None for what is not one. Unknown types pass: newer gateways have more of them."""
    if isinstance(text, bytes):
        return None
    try:
        frame = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(frame, dict) or not isinstance(frame.get("type"), str):
        return None
    return frame if _has(frame, _NEEDED.get(frame["type"], {})) else None


def _has(value: object, fields: Mapping[str, Kind | Mapping[str, Kind]]) -> bool:
    if not isinstance(value, dict):
        return False
    for name, kind in fields.items():
        if isinstance(kind, Mapping):
            if not _has(value.get(name), kind):
                return False
        elif not isinstance(value.get(name), kind):
            return False
    return True
