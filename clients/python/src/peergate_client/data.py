import base64
import json
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Json:
    """A JSON value to send."""

    value: Any


Data = str | bytes | Json
"""Data to send: text, bytes, or a JSON value."""


@dataclass(frozen=True, slots=True)
class Payload:
    """Data as the gateway sends it."""

    data: Any
    """A string: text, or bytes in base64; with the encoding `json` a JSON value."""
    encoding: str
    """`utf8`, `base64` or `json`."""

    def __bytes__(self) -> bytes:
        if self.encoding == "json":
            return json.dumps(self.data, ensure_ascii=False, separators=(",", ":")).encode()
        text = str(self.data)
        return base64.b64decode(text) if self.encoding == "base64" else text.encode()


def payload_of(data: Data) -> dict[str, Any]:
    """The fields of a frame."""
    match data:
        case str():
            return {"data": data, "encoding": "utf8"}
        case bytes():
            return {"data": base64.b64encode(data).decode("ascii"), "encoding": "base64"}
        case Json(value):
            return {"data": value, "encoding": "json"}
    raise TypeError(f"data must be str, bytes or Json, not {type(data).__name__}")
