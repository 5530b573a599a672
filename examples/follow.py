#!/usr/bin/env python3
"""Prints the messages of a topic as they arrive. After a lost connection it resumes at its cursor:
python3 examples/follow.py TOPIC [http://127.0.0.1:7070] [earliest | latest | CURSOR]
"""
import http.client
import json
import sys
import time
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import Request, urlopen


def follow(topic, gateway="http://127.0.0.1:7070", after="latest"):
    request = Request(f"{gateway}/v1/events?{urlencode({'topic': topic, 'after': after})}")
    retry_ms = 1000
    while True:
        try:
            with urlopen(request, timeout=60) as lines:  # a heartbeat comes every 25 s
                event = {}
                for line in lines:
                    if line != b"\n":
                        field, _, event[field] = line.decode().rstrip("\n").partition(": ")
                        continue
                    if event.get("event") == "message":
                        yield json.loads(event["data"])["message"]
                    if "id" in event:
                        request.add_header("Last-Event-ID", event["id"])  # the message has been handled
                    retry_ms, event = int(event.get("retry", retry_ms)), {}
        except HTTPError as error:
            problem = json.load(error)
            if not problem["retryable"]:
                sys.exit(f"{problem['code']}: {problem['detail']}")
        except (OSError, http.client.HTTPException):
            pass  # connection lost
        time.sleep(retry_ms / 1000)


for message in follow(*sys.argv[1:]):
    print(message["data"], flush=True)
