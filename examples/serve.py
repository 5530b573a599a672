#!/usr/bin/env python3
"""Serves requests of any peer to a service of this gateway: answers with the text in capitals.
pip install 'websockets>=16.1'
python3 examples/serve.py SERVICE [http://127.0.0.1:7070]
Request: curl http://127.0.0.1:7070/v1/peers/PEER-ID/requests/SERVICE -H 'content-type: application/json' -d '{"data": "hello"}'
The token, if the gateway requires one, comes from PEERGATE_TOKEN.
"""
import asyncio
import json
import os
import sys
from contextlib import suppress

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus


async def answer(request):
    """The service itself. It may await; blocking work belongs in asyncio.to_thread."""
    if request["encoding"] != "utf8":
        return {"error": "only text has capitals"}
    return {"data": request["data"].upper()}


async def serve(service, gateway="http://127.0.0.1:7070"):
    working = {}  # tasks by request id
    async for socket, frame in frames(gateway, {"type": "serve", "service": service, "concurrency": 4}):
        if frame["type"] == "welcome":
            max_bytes = frame["limits"]["maxMessageBytes"]
            for task in working.values():
                task.cancel()  # the connection was lost, so the request has failed
        elif frame["type"] == "serving":
            print(f"serving {service}", flush=True)
        elif frame["type"] == "request":
            task = working[frame["requestId"]] = asyncio.create_task(reply(socket, frame, max_bytes))
            task.add_done_callback(lambda _, done=frame["requestId"]: working.pop(done))
        elif frame["type"] == "cancelled" and frame["requestId"] in working:
            working[frame["requestId"]].cancel()  # the answer is no longer needed


async def reply(socket, request, max_bytes):
    try:
        outcome = await answer(request)
    except Exception as failure:
        print(f"not answered: {failure!r}", file=sys.stderr)
        outcome = {"error": "the service failed"}
    frame = {"type": "reply", "requestId": request["requestId"]}
    text = json.dumps({**frame, **outcome}, ensure_ascii=False)
    if len(text.encode()) > max_bytes:
        text = json.dumps({**frame, "error": "the answer is too large"})
    with suppress(ConnectionClosed):
        await socket.send(text)


async def frames(gateway, register):
    """Registers, and yields each frame of the gateway with its connection; repeats this after a lost connection."""
    token = os.environ.get("PEERGATE_TOKEN")
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    url = f"{gateway.replace('http', 'ws', 1)}/v1/stream"
    delay = 1
    while True:
        try:
            async with connect(url, additional_headers=headers, max_size=None) as socket:  # the gateway has its own limits
                await socket.send(json.dumps({**register, "id": "register"}))
                async for text in socket:
                    frame = json.loads(text)
                    if frame["type"] == "error":
                        print(f"{frame['code']}: {frame['detail']}", file=sys.stderr)
                    if frame["type"] == "closing":
                        delay = frame["retryAfterMs"] / 1000
                    if frame.get("id") == "register":
                        if frame["type"] != "error":
                            delay = 1
                        elif frame["retryable"]:
                            break
                        else:
                            sys.exit(1)
                    yield socket, frame
        except ConnectionClosed as end:
            print(f"connection lost: {end}", file=sys.stderr)
            if end.rcvd and (end.rcvd.code == 1009 or end.rcvd.code >= 4500):
                sys.exit(1)  # reconnecting does not help (docs/stream-protocol.md)
        except InvalidStatus as refusal:
            print(refusal.response.body.decode(), file=sys.stderr)  # application/problem+json
            if refusal.response.status_code < 500 and refusal.response.status_code != 429:
                sys.exit(1)
        except (OSError, InvalidHandshake) as failure:
            print(f"not connected: {failure}", file=sys.stderr)
        await asyncio.sleep(delay)
        delay = min(2 * delay, 60)


asyncio.run(serve(*sys.argv[1:]))
