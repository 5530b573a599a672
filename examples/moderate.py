#!/usr/bin/env python3
"""Keeps messages with banned words out of a topic: other peers' messages are not stored, delivered or forwarded.
pip install 'websockets>=16.1'
python3 examples/moderate.py TOPIC WORD [WORD ...] [--gateway http://127.0.0.1:7070] [--reject]
While no moderator is connected every message is let in, so run two.
The token, if the gateway requires one, comes from PEERGATE_TOKEN.
"""
import argparse
import base64
import json
import os
import re
import sys
import time
from contextlib import suppress

from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus
from websockets.sync.client import connect


def moderate(topic, banned, gateway, refusal):
    # A message without a verdict in time is kept out until history brings it again for another verdict.
    for socket, frame in frames(gateway, {"type": "validate", "topic": topic, "deadlineMs": 1000, "default": "ignore"}):
        if frame["type"] == "validating":
            print(f"moderating {topic}", flush=True)
        elif frame["type"] == "validation":
            found = banned & words(frame["message"])
            verdict = {"type": "verdict", "validationId": frame["validationId"], "verdict": refusal if found else "accept"}
            with suppress(ConnectionClosed):
                socket.send(json.dumps(verdict))
            if found:
                print(f"{refusal} {frame['message']['id']}: {' '.join(sorted(found))}", flush=True)


def words(message):
    data = message["data"]
    if message["encoding"] == "base64":  # bytes that are not valid UTF-8 may contain words
        data = base64.b64decode(data).decode(errors="replace")
    return set(re.findall(r"\w+", data.casefold()))


def frames(gateway, register):
    """Registers, and yields each frame of the gateway with its connection; repeats this after a lost connection."""
    token = os.environ.get("PEERGATE_TOKEN")
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    url = f"{gateway.replace('http', 'ws', 1)}/v1/stream"
    delay = 1
    while True:
        try:
            with connect(url, additional_headers=headers, max_size=None) as socket:  # the gateway has its own limits
                socket.send(json.dumps({**register, "id": "register"}))
                for text in socket:
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
        time.sleep(delay)
        delay = min(2 * delay, 60)


parser = argparse.ArgumentParser()
parser.add_argument("topic")
parser.add_argument("words", nargs="+")
parser.add_argument("--gateway", default="http://127.0.0.1:7070")
parser.add_argument("--reject", action="store_true", help="also penalise the neighbour that forwards it; only if all peers share these rules")
args = parser.parse_args()
moderate(args.topic, {word.casefold() for word in args.words}, args.gateway, "reject" if args.reject else "ignore")
