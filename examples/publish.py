#!/usr/bin/env python3
"""Publishes a message once with any number of attempts, which share one idempotency key:
python3 examples/publish.py TOPIC DATA [http://127.0.0.1:7070]
"""
import http.client
import json
import sys
import time
import uuid
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import Request, urlopen


def publish(topic, data, gateway="http://127.0.0.1:7070"):
    request = Request(
        f"{gateway}/v1/topics/{quote(topic, safe='')}/messages",
        data=json.dumps({"data": data}).encode(),
        headers={"Content-Type": "application/json", "Idempotency-Key": str(uuid.uuid4())},
    )
    for wait in (1, 2, 4, 8, 0):
        try:
            with urlopen(request, timeout=30) as answer:
                return json.load(answer)  # the message is on disk
        except HTTPError as error:
            problem = json.load(error)  # application/problem+json
            failure = f"{problem['code']}: {problem['detail']}"
            if not problem["retryable"]:
                break
            wait = max(wait, int(error.headers.get("Retry-After", 0)))
        except (OSError, http.client.HTTPException) as error:
            failure = f"no answer: {error!r}"  # published or not is unknown; the key makes a retry safe
        time.sleep(wait)
    sys.exit(failure)


if __name__ == "__main__":
    print(json.dumps(publish(*sys.argv[1:])))
