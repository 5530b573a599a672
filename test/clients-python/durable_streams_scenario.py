"""Follows a topic by the Durable Streams client, and publishes lines: python durable_streams_scenario.py MODE URL…"""

import itertools
import json
import sys
import threading
import time
import uuid

import httpx
from durable_streams import DurableStreamError, stream

MODE, *URLS = sys.argv[1:]
LOST = (httpx.TransportError, httpx.HTTPStatusError)
PAUSE_S = 0.05
# One for all publications: to make a client takes a tenth of a second.
publisher = httpx.Client()


telling = threading.Lock()


def tell(**told: object) -> None:
    with telling:
        print(json.dumps(told), flush=True)


def publish(text: str) -> None:
    headers = {"idempotency-key": str(uuid.uuid4())}
    for url in itertools.cycle(URLS):
        try:
            publisher.post(f"{url}/v1/topics/orders/messages", json={"data": text}, headers=headers).raise_for_status()
            break
        except LOST:
            time.sleep(PAUSE_S)
    tell(answered=text)


def follow() -> None:
    """As a program does that keeps its offset: where the client gives up, it is opened again from there."""
    offset = "-1"
    for url in itertools.cycle(URLS):
        try:
            with stream(f"{url}/v1/streams/orders", offset=offset, live=MODE) as opened:
                for event in opened.iter_events("json"):
                    # A message whose offset was cut off comes again.
                    if event.next_offset == offset:
                        continue
                    for message in event.data:
                        tell(seen={"cursor": message["cursor"], "data": message["data"]})
                    offset = event.next_offset
        except LOST:
            time.sleep(PAUSE_S)
        except DurableStreamError as error:
            if error.status != 503:
                raise
            time.sleep(PAUSE_S)


def publish_lines() -> None:
    for line in sys.stdin:
        threading.Thread(target=publish, args=(line.rstrip("\n"),), daemon=True).start()


threading.Thread(target=publish_lines, daemon=True).start()
follow()
