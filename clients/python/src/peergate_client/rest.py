import contextlib
import inspect
import json
import re
from collections.abc import Iterator, Mapping
from typing import TypeVar, cast
from urllib.parse import quote

import httpx

from .connection import Token
from .errors import PeergateError, gateway_error
from .operation import Operation

T = TypeVar("T")

TIMEOUT_SECONDS = 70
"""For an answer. The longest wait that a request can ask a gateway for is 55 s."""


class Rest:
    """The calls of openapi.yaml: `await rest.call(operations.get_topic("orders"))`."""

    def __init__(self, url: str, token: Token) -> None:
        self._url = url.rstrip("/")
        self._token = token
        self._client: httpx.AsyncClient | None = None

    async def call(self, operation: Operation[T]) -> T:
        """Raises PeergateError with the code of the problem, and httpx.HTTPError without an answer."""
        if self._client is None:
            self._client = httpx.AsyncClient(timeout=TIMEOUT_SECONDS)
        token = self._token() if callable(self._token) else self._token
        bearer = await token if inspect.isawaitable(token) else token
        headers = {name: value for name, value in operation.headers.items() if value is not None}
        if bearer is not None:
            headers["authorization"] = f"Bearer {bearer}"
        content = _content(operation.body, headers)
        query = httpx.QueryParams(list(_pairs(operation.query)))
        response = await self._client.request(
            operation.method,
            self._url + _filled(operation.route, operation.path),
            params=query,
            headers=headers,
            content=content,
        )
        if not response.is_success:
            raise _problem(response)
        match operation.answer:
            case "json":
                return cast(T, response.json())
            case "text":
                return cast(T, response.text)
            case "bytes":
                return cast(T, response.content)
            case "none":
                return cast(T, None)

    async def close(self) -> None:
        if self._client is not None:
            await self._client.aclose()


def _content(body: object, headers: dict[str, str]) -> bytes | None:
    if body is None:
        return None
    if isinstance(body, bytes):
        headers["content-type"] = "application/octet-stream"
        return body
    headers["content-type"] = "application/json"
    return json.dumps(body, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def _filled(route: str, names: Mapping[str, object]) -> str:
    return re.sub(r"\{(\w+)\}", lambda match: quote(str(names[match[1]]), safe=""), route)


def _pairs(query: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    for name, value in query.items():
        for one in value if isinstance(value, list) else [value]:
            if one is not None:
                yield name, str(one).lower() if isinstance(one, bool) else str(one)


def _problem(response: httpx.Response) -> PeergateError:
    """A proxy in front of a gateway answers with whatever it likes."""
    status = response.status_code
    with contextlib.suppress(ValueError, RecursionError):
        problem = response.json()
        if isinstance(problem, dict) and isinstance(problem.get("code"), str):
            return gateway_error(problem, status)
    return PeergateError(
        f"http_{status}", f"The answer has the status {status}", retryable=status >= 500, status=status
    )
