"""tour.py <gateway> <token>"""

import base64
import io
import json
import sys

from peergate_client import AuthenticatedClient
from peergate_client.api.access import create_token
from peergate_client.api.direct_messages import cancel_delivery, send_to_peer
from peergate_client.api.messages import get_message_data, list_topic_messages, publish_messages, publish_to_topic
from peergate_client.api.node import get_node
from peergate_client.api.topics import get_topic, join_topic
from peergate_client.models import (
    AddressedPayload,
    AddressedPayloadList,
    Delivery,
    DirectPayload,
    Encoding,
    MessagePage,
    Node,
    Payload,
    Problem,
    Published,
    PublishedList,
    RetentionInput,
    TokenInput,
    TokenInputActionsItem,
    TokenWithSecret,
    TopicJoin,
    TopicStats,
)
from peergate_client.types import File

url, token = sys.argv[1:]
client = AuthenticatedClient(base_url=url, token=token)

node = get_node.sync(client=client)
assert isinstance(node, Node), node

retention = RetentionInput(max_messages=100, max_bytes=2**53 - 1)
topic = join_topic.sync("orders", client=client, body=TopicJoin(retention=retention))
assert isinstance(topic, TopicStats), topic

published = publish_to_topic.sync("orders", client=client, body=Payload(data="hello"))
assert isinstance(published, Published), published

messages = [AddressedPayload(topic="orders", data=data) for data in ("one", "two")]
listed = publish_messages.sync(client=client, body=AddressedPayloadList(messages=messages))
assert isinstance(listed, PublishedList), listed

raw = publish_to_topic.sync("orders", client=client, body=File(payload=io.BytesIO(b"\x00\xff\n")))
assert isinstance(raw, Published), raw
data = get_message_data.sync(raw.id, client=client)
assert isinstance(data, File), data

order = publish_to_topic.sync("orders", client=client, body=Payload(data={"order": 17}, encoding=Encoding.JSON))
assert isinstance(order, Published), order

history, after = [], "earliest"
while True:
    page = list_topic_messages.sync("orders", client=client, after=after, limit=2, encoding=Encoding.JSON)
    assert isinstance(page, MessagePage), page
    history.append([message.data for message in page.items])
    if page.caught_up:
        break
    after = page.newer

peer_id = "12D3KooWHHzSeKaY8xuZVzkLbKFfvNgPPeKhFBGrMbNzbm5akpqu"
sent = send_to_peer.sync(peer_id, client=client, body=DirectPayload(data="hello", expires_in_ms=60_000))
assert isinstance(sent, Delivery), sent
cancelled = cancel_delivery.sync(sent.id, client=client)
assert isinstance(cancelled, Delivery), cancelled

rights = TokenInput(name="tour", actions=[TokenInputActionsItem.READ], topics=["orders"])
created = create_token.sync(client=client, body=rights)
assert isinstance(created, TokenWithSecret), created

refused = get_topic.sync_detailed("nobody", client=client)
assert isinstance(refused.parsed, Problem), refused.parsed

seen = {
    "node": {"peerId": node.peer_id, "maxMessageBytes": node.limits["maxMessageBytes"]},
    "retention": topic.retention.to_dict(),
    "published": published.id,
    "listed": [item.id for item in listed.items],
    "bytes": base64.b64encode(data.payload.read()).decode(),
    "history": history,
    "delivery": {"to": sent.to, "state": cancelled.state},
    "token": {"name": created.name, "actions": created.actions, "expiresAt": created.expires_at},
    "refused": {"status": refused.status_code, "code": refused.parsed.code},
}
print(json.dumps(seen))
