"""Which ends of a connection are for good (docs/stream-protocol.md, Close codes)."""

NO_CLOSE_FRAME = 1006
"""RFC 6455 §7.1.5."""

TOO_LARGE = 1009

TOKEN_EXPIRED = 4100

_CLIENT_IS_WRONG = frozenset({1002, 1003, 1007, 1008, TOO_LARGE})
"""Codes of RFC 6455 §7.4.1 by which the gateway says that the client is wrong."""

_FINAL_OF_GATEWAY = range(4500, 5000)
"""Something must change first."""


def is_final(code: int, *, can_renew_token: bool) -> bool:
    """Whether a connection that the gateway closed with this code ends for good. Otherwise: reconnect and resume."""
    if code == TOKEN_EXPIRED:
        return not can_renew_token
    return code in _FINAL_OF_GATEWAY or code in _CLIENT_IS_WRONG
