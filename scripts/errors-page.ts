import { conditions } from '../src/errors.ts'

/** What a client does about each error, by its code. */
const remedies: Record<string, string> = {
  invalid_request: 'Correct what `errors` names.',
  invalid_json: 'Send valid JSON in UTF-8.',
  parameters_conflict: 'Leave out what `errors` names, or add what it requires.',
  invalid_data: 'Send well-formed text, padded standard base64 with `encoding: base64`, or a JSON value with `encoding: json`.',
  invalid_topic:
    'Use a topic of 1 to 256 bytes without control characters, `*` and `>`. In a pattern `*` is a whole level, and `>` the last one.',
  invalid_multiaddr: 'Use a multiaddr such as `/ip4/192.0.2.1/tcp/7071`.',
  invalid_peer_id: 'Use a peer id such as `12D3KooW…`.',
  invalid_cursor: 'Use a `cursor`, `newer` or `older` of this API, `earliest` or `latest`.',
  invalid_frame: 'Correct what `errors` names. The stream is closed only if the frame could not be read at all.',
  unknown_frame_type: 'Use a frame type of [stream-protocol.md](stream-protocol.md), or update the gateway.',
  unsupported_media_type: 'Send `application/json`, or `application/octet-stream` where the operation takes it, uncompressed.',
  body_too_large: 'Send fewer messages at once: `limits.maxBodyBytes` of `GET /v1/node` is the maximum.',
  message_too_large: 'Divide the data: `limits.maxMessageBytes` of `GET /v1/node` is the maximum.',
  uri_too_long: 'Shorten the path or the query.',
  headers_too_large: 'Send less than 16 KiB of header fields.',
  method_not_allowed: 'Use a method of the `Allow` header.',
  client_timeout: 'Send the request again, faster.',
  upgrade_required: 'Open this path with a WebSocket client.',
  unauthorized: 'Send `Authorization: Bearer <token>`.',
  invalid_token: 'Get a new token: this one is wrong, expired or revoked.',
  forbidden: 'Use a token with the action and the topics that `detail` names.',
  session_limit: 'Retry after `Retry-After`, or close sessions.',
  token_check_unavailable: 'Retry after `Retry-After`: the identity provider does not answer.',
  host_not_allowed: 'Ask the operator to add the host to `PEERGATE_ALLOWED_HOSTS`.',
  origin_not_allowed: 'Ask the operator to add the origin to `PEERGATE_ALLOWED_ORIGINS`.',
  dial_forbidden: 'Dial another address: the policy of the gateway forbids this one.',
  admin_token_needed: 'Create another token that allows `admin` and never expires first.',
  route_not_found: 'Use a path of the contract.',
  peer_not_found: 'Dial the peer by an address; it is not known, and the DHT does not have it.',
  topic_not_found: 'Join the topic, or publish to it.',
  message_not_found: 'Nothing: the message was never here, or has been pruned.',
  token_not_found: 'Nothing: the token does not exist, or was revoked.',
  delivery_not_found: 'Nothing: the delivery does not exist, or was removed after its end.',
  webhook_not_found: 'Nothing: the webhook does not exist, was removed, or belongs to another token.',
  invalid_webhook: 'Correct what `errors` names: the URL, a header field, or a webhook without topics.',
  webhook_changed: 'Read the webhook, then retry: another client changed it at the same time.',
  service_not_found: 'Retry when a client of that peer serves the service.',
  request_not_found: 'Nothing: the request has ended, or was cancelled.',
  validation_not_found: 'Nothing: the validation has ended.',
  consumer_not_found: 'Create the consumer, or correct its name.',
  consumer_exists: 'Use another name, change what can be changed with `PATCH`, or remove the consumer first.',
  subscription_not_found: 'Subscribe first.',
  peer_not_connected: 'Dial the peer, then retry.',
  address_unsupported: 'Use an address with a transport that the engine supports: `capabilities.transports` of `GET /v1/node`.',
  self_dial: 'Dial another peer.',
  peer_blocked: 'Unblock the peer with `PATCH /v1/peers/{peerId}` first.',
  invalid_cid: 'Use a CID.',
  expiry_passed: 'Choose a time in the future.',
  invalid_record: 'Send a record that its key proves.',
  dht_namespace_unsupported: 'Use a namespace of `capabilities.dhtNamespaces` of `GET /v1/node`.',
  record_outdated: 'Read the newer record, and sign one with a higher sequence number.',
  record_not_found: 'Nothing, or retry later: no peer that was asked has a value.',
  dht_quota_reached: 'Withdraw announcements, or retry later.',
  dht_timeout: 'Retry, with a larger `timeoutMs`.',
  dht_refused: 'Retry after `Retry-After`.',
  dht_disabled: 'Use another gateway: this one has `PEERGATE_DHT=false`.',
  invalid_routing_key: 'Send a CID, or a peer id in base58 or as a CID with the codec `libp2p-key`; shorten the filter.',
  invalid_ipns_record: 'Send a record that the key of its name signed.',
  ipns_type_required: 'Use `application/vnd.ipfs.ipns-record`: as `Accept` to read, as `Content-Type` to publish.',
  routing_not_implemented: 'Use another method, or a gateway with the libp2p engine for IPNS.',
  dht_unavailable: 'Retry after `Retry-After`, or when the gateway has peers.',
  idempotency_in_progress: 'Retry after `Retry-After`: the first request is not finished.',
  idempotency_key_limit: 'Retry when earlier keys are a day old, or send the request without a key.',
  idempotency_key_reused: 'Use a new key for a new request.',
  cursor_epoch_mismatch: 'Continue from `earliest` or `latest` of the answer: the log is another one.',
  cursor_ahead: 'Continue from `latest` of the answer: the log was restored to an earlier state.',
  cursor_expired: 'Continue from `earliest` of the answer: the messages in between are gone.',
  offset_gone: 'Read the stream from the offset `-1`: messages in between are gone, or the log is another one.',
  rate_limited: 'Retry after `Retry-After`, and send less.',
  subscription_limit: 'Unsubscribe from something first.',
  topic_limit:
    'Leave a topic first (`DELETE /v1/topics/{topic}`), or ask the operator to raise `PEERGATE_MAX_JOINED_TOPICS`. Publishing needs no join.',
  connection_limit: 'Retry after `Retry-After`, or close streams.',
  token_limit: 'Revoke tokens that are no longer used. Tokens with an expiry give their places when they have expired.',
  peer_limit: 'Take labels and blocks of other peers away, or forget them with `DELETE /v1/peers/{peerId}?forget=true`.',
  consumer_limit: 'Remove a consumer, or use one that is there.',
  validator_limit: 'Retry when a validator has ended.',
  service_limit: 'Retry when a service or a request has ended.',
  webhook_limit: 'Remove webhooks: `limits.maxWebhooksPerToken` and `limits.maxWebhooks` of `GET /v1/node` are the maxima.',
  outbox_full: 'Retry after `Retry-After`: queued direct messages have to be delivered or cancelled first.',
  overloaded: 'Retry after `Retry-After`.',
  draining: 'Connect to another gateway, or to this one after its restart.',
  store_unavailable: 'Retry after `Retry-After`, with an idempotency key: the outcome can be unknown.',
  database_full: 'Retry after `Retry-After`, when the operator has made room. Reads work.',
  database_read_only: 'Retry after `Retry-After`, when the operator has made the database writable. Reads work.',
  database_gone: 'Retry when the operator has restarted the gateway.',
  database_damaged: 'Retry when the operator has repaired the database. Operations that need other pages work.',
  mesh_not_ready: 'Retry after `Retry-After`, wait longer with `waitMs`, or ask for fewer with `minRecipients`. Nothing was published.',
  dial_failed: 'Retry, or use another address: `errors` has the reason for each.',
  protocol_unsupported: 'Use another peer.',
  service_error: 'Read `detail`: it is the answer of the service.',
  service_gone: 'Find out whether the request was carried out before you repeat it.',
  service_busy: 'Retry after `Retry-After`.',
  request_timeout: 'Find out whether the request was carried out before you repeat it, or allow more with `timeoutMs`.',
  peer_unreachable: 'Retry when the peer is online.',
  internal_error: 'Retry once, then report it with `instance`, which the log of the gateway names.',
}

/** docs/errors.md. @throws Error when a code has no remedy, or a remedy no code */
export function errorsPage(): string {
  const codes = conditions.map(({ code }) => code)
  const wrong = [...codes.filter((code) => !(code in remedies)), ...Object.keys(remedies).filter((code) => !codes.includes(code))]
  if (wrong.length > 0) throw new Error(`scripts/errors-page.ts needs, or has too many: ${wrong.join(', ')}`)
  const rows = conditions
    .toSorted((one, other) => one.status - other.status || (one.code < other.code ? -1 : 1))
    .map(
      ({ code, status, title, retryable }) => `| \`${code}\` | ${status} | ${retryable ? 'yes' : 'no'} | ${title}. | ${remedies[code]} |`,
    )
  return `# Errors

REST answers errors as \`application/problem+json\` (RFC 9457), the stream as \`error\` frames, with the same codes. The
table is made of [src/errors.ts](../src/errors.ts).

\`\`\`json
{
  "type": "urn:peergate:error:invalid_request",
  "title": "The request is not valid",
  "status": 400,
  "detail": "The body is not valid: messages.1.data must be a string",
  "instance": "urn:uuid:3f0b7a52-6c58-4f0c-9a5e-0d0f4c1b8a11",
  "code": "invalid_request",
  "retryable": false,
  "errors": [{ "path": "/messages/1/data", "message": "must be a string" }]
}
\`\`\`

- Decide by \`code\`, which is stable. New codes can appear: treat an unknown one by its \`status\` and \`retryable\`.
- 400 tells that the request does not fit the contract, 422 that it does, but cannot be: the contract cannot tell.
- \`retryable\`: the same request can succeed later. Wait for \`Retry-After\` if the answer has it.
- \`errors\`: one entry for each problem, at most ten. \`path\` is a JSON Pointer (RFC 6901) into the body or the frame, or
  \`/<name>\` of a parameter or header field; it is empty for the whole. \`multiaddr\` is the address that was
  dialled, with \`dial_failed\` and \`dial_forbidden\`.
- \`title\` and \`detail\` are for people, and can change.
- \`cursor_…\` carry \`earliest\`, \`latest\` and \`epoch\` of the log.

| code | status | retryable | meaning | what to do |
| --- | --- | --- | --- | --- |
${rows.join('\n')}
`
}
