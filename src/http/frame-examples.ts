import { defaultLimits } from '../limits.ts'
import type { ClientFrame } from '../stream/client-frames.ts'
import type { ServerFrame } from '../stream/server-frames.ts'
import { deliveryExample, messageExample, peerExample } from './examples.ts'

/** An example of each frame, for the contract. */

type ExamplesOf<Frame extends { type: string }> = { [Type in Frame['type']]: Extract<Frame, { type: Type }> }

const { cursor, from: peerId } = messageExample
const { maxFrameBytes, maxMessageBytes, maxSubscriptions, maxSubscriptionTopics, heartbeatMs } = defaultLimits
const { cursor: _cursor, receivedAt: _receivedAt, ...candidate } = messageExample
const otherPeerId = peerExample.peerId
const earlier = 'k3v9q2.12'
const deadline = '2026-11-23T12:34:14.000Z'
const requestId = 'r7'
const validationId = 'v3'

export const clientFrameExamples: ExamplesOf<ClientFrame> = {
  subscribe: { type: 'subscribe', id: '1', topics: ['orders', 'invoices.*.paid'], after: earlier },
  unsubscribe: { type: 'unsubscribe', id: '2' },
  ack: { type: 'ack', id: '14', consumer: 'billing', ids: [messageExample.id] },
  publish: {
    type: 'publish',
    id: '3',
    topic: 'orders',
    data: { order: 17 },
    encoding: 'json',
    idempotencyKey: '8e03978e-40d5-43e8-bc93-6894a57f9324',
  },
  send: { type: 'send', id: '4', to: otherPeerId, data: 'hello', expiresInMs: 3_600_000 },
  request: { type: 'request', id: '5', to: otherPeerId, service: 'prices', data: { item: 17 }, encoding: 'json', timeoutMs: 5_000 },
  serve: { type: 'serve', id: '6', service: 'prices', concurrency: 4, encoding: 'json' },
  unserve: { type: 'unserve', id: '7', service: 'prices' },
  reply: { type: 'reply', id: '8', requestId, data: { price: 250 }, encoding: 'json' },
  validate: { type: 'validate', id: '9', topic: 'orders', deadlineMs: 500, default: 'ignore' },
  unvalidate: { type: 'unvalidate', id: '10', topic: 'orders' },
  verdict: { type: 'verdict', id: '11', validationId, verdict: 'accept' },
  auth: { type: 'auth', id: '12', token: 'peergate_Zm9yIGV4YW1wbGUgb25seSwgbm8gc2VjcmV0IGF0IGFsbC4' },
  ping: { type: 'ping', id: '13' },
}

export const serverFrameExamples: ExamplesOf<ServerFrame> = {
  welcome: {
    type: 'welcome',
    peerId,
    engine: 'libp2p',
    cursor,
    heartbeatMs,
    limits: { maxFrameBytes, maxMessageBytes, maxSubscriptions, maxSubscriptionTopics },
  },
  subscribed: { type: 'subscribed', id: '1', cursor: earlier, topics: ['invoices.north.paid'] },
  unsubscribed: { type: 'unsubscribed', id: '2' },
  message: { type: 'message', message: messageExample },
  'caught-up': { type: 'caught-up', cursor },
  gap: { type: 'gap', topic: 'orders', from: earlier, to: 'k3v9q2.17', reason: 'pruned' },
  progress: { type: 'progress', cursor },
  acked: { type: 'acked', id: '14', consumer: 'billing', settled: [messageExample.id] },
  published: { type: 'published', id: '3', messageId: messageExample.id, cursor, recipients: 3, gateway: peerId },
  response: { type: 'response', id: '5', data: { price: 250 }, encoding: 'json' },
  serving: { type: 'serving', id: '6', service: 'prices' },
  unserved: { type: 'unserved', id: '7', service: 'prices' },
  replied: { type: 'replied', id: '8', requestId },
  request: { type: 'request', requestId, from: otherPeerId, service: 'prices', data: { item: 17 }, encoding: 'json', deadline },
  cancelled: { type: 'cancelled', requestId },
  validating: { type: 'validating', id: '9', topic: 'orders', deadlineMs: 500, default: 'ignore' },
  unvalidated: { type: 'unvalidated', id: '10', topic: 'orders' },
  judged: { type: 'judged', id: '11', validationId },
  validation: { type: 'validation', validationId, message: candidate, deadline },
  queued: { type: 'queued', id: '4', delivery: deliveryExample },
  authenticated: { type: 'authenticated', id: '12', expiresAt: '2026-11-24T09:00:00.000Z' },
  pong: { type: 'pong', id: '13' },
  peer: { type: 'peer', event: 'connect', peer: peerExample },
  delivery: { type: 'delivery', delivery: { ...deliveryExample, state: 'delivered' } },
  error: {
    type: 'error',
    id: '3',
    code: 'rate_limited',
    title: 'Rate limit exceeded',
    detail: 'The budget of this token is spent.',
    retryable: true,
    retryAfterMs: 250,
  },
  closing: { type: 'closing', reason: 'draining', retryAfterMs: 1_200 },
}
