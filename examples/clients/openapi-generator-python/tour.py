"""tour.py <gateway> <token>"""

import base64
import json
import sys

from peergate_client import (
    AccessApi,
    AddressedPayload,
    AddressedPayloadList,
    ApiClient,
    ApiException,
    Configuration,
    DirectMessagesApi,
    DirectPayload,
    Encoding,
    MessagesApi,
    NodeApi,
    Payload,
    RetentionInput,
    TokenInput,
    TopicJoin,
    TopicsApi,
)

url, token = sys.argv[1:]

with ApiClient(Configuration(host=url, access_token=token)) as client:
    messages = MessagesApi(client)
    topics = TopicsApi(client)
    direct = DirectMessagesApi(client)

    node = NodeApi(client).get_node()

    retention = RetentionInput(max_messages=100, max_bytes=2**53 - 1)
    topic = topics.join_topic("orders", TopicJoin(retention=retention))

    published = messages.publish_to_topic("orders", Payload(data="hello"))

    several = [AddressedPayload(topic="orders", data=data) for data in ("one", "two")]
    listed = messages.publish_messages(AddressedPayloadList(messages=several))

    # The generated method takes only JSON; the client under it sends bytes.
    request = client.param_serialize(
        "POST",
        "/v1/topics/{topic}/messages",
        path_params={"topic": "orders"},
        header_params={"Content-Type": "application/octet-stream"},
        body=b"\x00\xff\n",
        auth_settings=["bearer"],
    )
    response = client.call_api(*request)
    response.read()
    binary = client.response_deserialize(response, {"201": "Published"}).data
    data = messages.get_message_data(binary.id)

    messages.publish_to_topic("orders", Payload(data={"order": 17}, encoding=Encoding.JSON))

    history, after = [], "earliest"
    while True:
        page = messages.list_topic_messages("orders", after=after, limit=2, encoding=Encoding.JSON)
        history.append([message.data for message in page.items])
        if page.caught_up:
            break
        after = page.newer

    peer_id = "12D3KooWHHzSeKaY8xuZVzkLbKFfvNgPPeKhFBGrMbNzbm5akpqu"
    sent = direct.send_to_peer(peer_id, DirectPayload(data="hello", expires_in_ms=60_000))
    cancelled = direct.cancel_delivery(sent.id)

    created = AccessApi(client).create_token(TokenInput(name="tour", actions=["read"], topics=["orders"]))

    try:
        topics.get_topic("nobody")
        raise AssertionError("an unknown topic was found")
    except ApiException as error:
        refused = error

seen = {
    "node": {"peerId": node.peer_id, "maxMessageBytes": node.limits["maxMessageBytes"]},
    "retention": topic.retention.to_dict(),
    "published": published.id,
    "listed": [item.id for item in listed.items],
    "bytes": base64.b64encode(data).decode(),
    "history": history,
    "delivery": {"to": sent.to, "state": cancelled.state},
    "token": {"name": created.name, "actions": created.actions, "expiresAt": created.expires_at},
    "refused": {"status": refused.status, "code": refused.data.code},
}
print(json.dumps(seen))
