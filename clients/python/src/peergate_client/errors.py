from collections.abc import Mapping
from typing import Literal

ClientErrorCode = Literal[
    "closed",
    "connection_closed",
    "connection_lost",
    "connect_timeout",
    "frame_too_large",
    "no_token",
    "protocol_error",
    "too_many_calls",
]

CLIENT_ERRORS: Mapping[ClientErrorCode, str] = {
    "closed": "The client was closed",
    "connection_closed": "The gateway ended the connection for good",
    "connection_lost": "The connection was lost before the answer",
    "connect_timeout": "The gateway did not answer in time",
    "frame_too_large": "The gateway sent a frame larger than max_frame_bytes",
    "no_token": "The function that gives tokens failed",
    "protocol_error": "The gateway sent something that is not of the protocol",
    "too_many_calls": "Too many calls wait for their answers",
}
"""Errors that the client itself reports, by code."""

_RETRYABLE = frozenset({"connection_lost", "connect_timeout", "no_token", "too_many_calls"})


class PeergateError(Exception):
    """An error with a stable code: of the gateway (docs/errors.md), or of the client (`CLIENT_ERRORS`)."""

    def __init__(
        self,
        code: str,
        detail: str,
        *,
        retryable: bool = False,
        retry_after_ms: float | None = None,
        errors: tuple[Mapping[str, str], ...] = (),
        earliest: str | None = None,
        status: int | None = None,
    ) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail
        self.retryable = retryable
        """Whether the same call can succeed later."""
        self.retry_after_ms = retry_after_ms
        self.errors = errors
        """The fields that were refused, each with `path` and `message`."""
        self.earliest = earliest
        """With `cursor_expired`: where the messages that are left begin."""
        self.status = status
        """HTTP status, with REST."""


def client_error(code: ClientErrorCode, detail: str | None = None) -> PeergateError:
    return PeergateError(code, detail or CLIENT_ERRORS[code], retryable=code in _RETRYABLE)


def gateway_error(fields: Mapping[str, object], status: int | None = None) -> PeergateError:
    """Reads an `error` frame or a problem document, of whose fields nothing but the code is certain."""
    code = str(fields.get("code"))
    detail = fields.get("detail") or fields.get("title") or code
    retry_after_ms = fields.get("retryAfterMs")
    errors = fields.get("errors")
    earliest = fields.get("earliest")
    return PeergateError(
        code,
        str(detail),
        retryable=fields.get("retryable") is True,
        retry_after_ms=retry_after_ms if isinstance(retry_after_ms, (int, float)) else None,
        errors=tuple(error for error in errors if isinstance(error, dict)) if isinstance(errors, list) else (),
        earliest=earliest if isinstance(earliest, str) else None,
        status=status,
    )
