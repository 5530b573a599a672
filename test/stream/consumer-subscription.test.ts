import { expect, test } from 'vitest'
import type { Worker } from '../../src/consumers/workers.ts'
import { consumerDefaults } from '../../src/model/consumer.ts'
import type { ConsumerRecord } from '../../src/store/consumer-store.ts'
import { ConsumerSubscription } from '../../src/stream/consumer-subscription.ts'
import type { ServerFrame } from '../../src/stream/server-frames.ts'
import { storedMessage } from '../fixtures/messages.ts'

const consumer: ConsumerRecord = {
  ...{ name: 'c', client: 'tok_1', createdAt: 1, position: 0, prunedSince: 0, gaps: 0, lastGap: null },
  settings: { topics: ['orders'], direct: false, order: 'none', ...consumerDefaults },
}

/** A subscription on a connection that is written to until it has so many unread frames. */
function subscriptionFor(maxUnread: number) {
  const sent: ServerFrame[] = []
  const outlet = {
    get writable() {
      return sent.length < maxUnread
    },
    get isBlocked() {
      return sent.length >= maxUnread
    },
    send: (frame: ServerFrame) => void sent.push(frame),
    sendEntry: () => undefined,
    sendEntries: () => undefined,
    sendMany(next: () => ServerFrame | undefined) {
      for (let frame = outlet.writable ? next() : undefined; frame !== undefined; frame = outlet.writable ? next() : undefined)
        sent.push(frame)
    },
    together: (send: () => void) => send(),
  }
  const events: string[] = []
  let isIdle = true
  const subscription = new ConsumerSubscription(
    { name: 'w', consumer, maxUnacked: 7, encoding: 'utf8', interest: { [Symbol.dispose]: () => void events.push('let go') } },
    {
      consumers: {
        work: (_: ConsumerRecord, __: Worker) => ({
          wake: () => void events.push('wake'),
          end: (unsent: string[] = []) => void events.push(`left ${unsent.length}`),
        }),
      },
      hub: { tip: 40 },
      outlet,
      onReady: () => undefined,
      isIdle: () => isIdle && !subscription.ready,
      onIdle: () => void events.push('idle'),
      onEnd: () => events.push('ended'),
    },
  )
  const take = (...seqs: number[]) =>
    subscription.take(seqs.map((seq) => ({ message: storedMessage(seq), epoch: 'e', attempt: 1, claim: 'one' })))
  return {
    ...{ subscription, sent, events, take },
    setIdle(idle: boolean) {
      isIdle = idle
    },
  }
}

test('sends as much as the client reads, and asks for more only when it has read that', () => {
  const { subscription, sent, events, take } = subscriptionFor(3)
  expect([subscription.ready, subscription.room]).toEqual([false, 7])
  take(1, 2, 3, 4, 5)
  expect(subscription.ready).toBe(true)
  subscription.advance()
  expect(sent).toHaveLength(3)
  expect([subscription.ready, subscription.room, events]).toEqual([true, 0, []])
  sent.splice(0)
  subscription.advance()
  expect(sent).toMatchObject([
    { type: 'message', subscription: 'w', consumer: 'c', attempt: 1, message: { cursor: 'e.4' } },
    { type: 'message', message: { cursor: 'e.5' } },
  ])
  expect([subscription.ready, subscription.room, events]).toEqual([false, 7, ['idle']])
})

test('has no room while the client has to read first, though nothing waits', () => {
  const { subscription, sent, events, take } = subscriptionFor(2)
  take(1, 2)
  subscription.advance()
  expect([subscription.ready, subscription.room, events]).toEqual([false, 0, ['idle']])
  sent.splice(0)
  expect(subscription.room).toBe(7)
  subscription.wake()
  expect(events).toEqual(['idle', 'wake'])
})

test('takes nothing while another subscription of the connection has messages to send', () => {
  const { subscription, setIdle } = subscriptionFor(3)
  setIdle(false)
  expect(subscription.room).toBe(0)
})

test('leaves its work when it is closed, and when its consumer ends', () => {
  const closed = subscriptionFor(3)
  closed.subscription.close()
  expect(closed.events).toEqual(['left 0', 'let go'])
  const full = subscriptionFor(3)
  full.take(1)
  full.subscription.close()
  expect(full.events).toEqual(['idle', 'left 1', 'let go'])
  const ended = subscriptionFor(3)
  ended.subscription.ended(new Error('the disk is gone'))
  expect(ended.events).toEqual(['left 0', 'let go', 'ended'])
  expect(ended.sent).toMatchObject([{ type: 'error', subscription: 'w', code: 'internal_error' }])
})
