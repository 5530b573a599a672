"""What a user writes against the generated client: `session.py URL` prints what the gateway answered, as expected-session.ts has it."""
import json
import sys

from peergate_client import Client
from peergate_client.api.messages import get_message_data, list_topic_messages, publish_to_topic
from peergate_client.api.topics import get_topic, join_topic
from peergate_client.models import JoinTopicBody, MessagePage, Payload, Problem, Published, RetentionInput, TopicStats
from peergate_client.types import File

client = Client(base_url=sys.argv[1])

joined = join_topic.sync_detailed("orders", client=client, body=JoinTopicBody(retention=RetentionInput(max_messages=100)))
assert isinstance(joined.parsed, TopicStats)

published = publish_to_topic.sync_detailed("orders", client=client, body=Payload(data="hello"))
assert isinstance(published.parsed, Published)

data = get_message_data.sync(published.parsed.id, client=client)
assert isinstance(data, File) and data.payload.read() == b"hello"

keyed = []
for _ in range(2):
    answer = publish_to_topic.sync_detailed("orders", client=client, body=Payload(data="once"), idempotency_key="order-17")
    assert isinstance(answer.parsed, Published)
    replayed = answer.headers.get("idempotent-replayed")
    keyed.append({"status": answer.status_code, "replayed": replayed, "id": answer.parsed.id, "cursor": answer.parsed.cursor})


def history(after):
    pages = []
    while True:
        page = list_topic_messages.sync("orders", client=client, after=after, limit=1)
        assert isinstance(page, MessagePage)
        pages.append([message.data for message in page.items])
        if page.caught_up:
            return pages
        after = page.newer


refused = get_topic.sync_detailed("nobody", client=client)
assert isinstance(refused.parsed, Problem)

stats = joined.parsed
session = {
    "joined": {"status": joined.status_code, "topic": stats.topic, "joined": stats.joined, "maxMessages": stats.retention.max_messages},
    "published": {"status": published.status_code, "id": published.parsed.id, "cursor": published.parsed.cursor},
    "keyed": keyed,
    "history": history("earliest"),
    "resumed": history(published.parsed.cursor),
    "refused": {"status": refused.status_code, "contentType": refused.headers["content-type"], "code": refused.parsed.code},
}
print(json.dumps(session))
