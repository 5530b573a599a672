#!/usr/bin/env bash
# Joins a topic, publishes, publishes once with two requests, and reads everything back.
#   examples/curl.sh [http://127.0.0.1:7070] [topic]
set -euo pipefail
gateway=${1:-http://127.0.0.1:7070}
topic=$gateway/v1/topics/${2:-orders}

# An error prints its problem document and ends the script.
call() { curl --silent --show-error --fail-with-body "$@" && echo; }
json='content-type: application/json'

echo '# Join: from now on the gateway receives and stores messages of the topic.'
call --request PUT "$topic"

echo '# Publish text, and raw bytes.'
call "$topic/messages" --header "$json" --data '{"data": "hello"}'
head -c 4 /dev/urandom | call "$topic/messages" --header 'content-type: application/octet-stream' --data-binary @-

echo '# Publish twice with one key: the second request gets the answer of the first, and publishes nothing.'
key=order-17-$(date +%s)-$$
for _ in 1 2; do
  call "$topic/messages" --header "$json" --header "idempotency-key: $key" --data '{"data": "once"}' \
    --write-out '\nidempotent-replayed: %header{idempotent-replayed}'
done

echo '# Read back, oldest first. `newer` is the `after` of the next page, until `caughtUp`.'
call "$topic/messages?after=earliest&limit=100"
