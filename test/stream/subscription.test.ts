import { expect, test } from 'vitest'
import { createHub, type HubLog } from '../../src/log/hub.ts'
import { directTopic, topicFilter, withDirect } from '../../src/model/topic.ts'
import type { Outlet } from '../../src/stream/outlet.ts'
import type { ServerFrame } from '../../src/stream/server-frames.ts'
import { createSubscription } from '../../src/stream/subscription.ts'
import { storedMessage } from '../fixtures/messages.ts'

const limits = { maxRingMessages: 1, maxRingBytes: 1_000_000, maxReadMessages: 10, clientSharePercent: 25 }

/** An outlet that notes what is sent: frames, and of messages their numbers. */
function notingOutlet(): Outlet & { sent: Array<ServerFrame | number> } {
  const sent: Array<ServerFrame | number> = []
  return {
    sent,
    writable: true,
    isBlocked: false,
    send: (frame) => void sent.push(frame),
    sendEntry: (entry) => void sent.push(entry.message.seq),
    sendMany: () => undefined,
    sendEntries: (entries) => void sent.push(...entries.map(({ message }) => message.seq)),
    together: (send) => send(),
  }
}

/** What a subscription after the position 2 is sent of a step of the store, up to the end of the log at 20. */
async function advanced(step: Omit<Awaited<ReturnType<HubLog['read']>>, 'scanned'>): Promise<{ sent: Array<ServerFrame | number> }> {
  const read: HubLog['read'] = async ({ through }) => ({ ...step, scanned: through })
  const hub = createHub({ limits }, { log: { position: async () => ({ epoch: 'e1', tip: 20 }), read } })
  await hub.start()
  const outlet = notingOutlet()
  const init = {
    name: undefined,
    client: 'tok_1',
    filter: withDirect(topicFilter(['>']), true),
    encoding: 'utf8',
    peers: false,
    deliveries: false,
    after: 2,
    prunedSince: 0,
  } as const
  const subscription = createSubscription(
    { ...init, gaps: new Map(), interest: new DisposableStack(), maxStepBytes: 1_000_000 },
    { hub, outlet, onReady: () => undefined },
  )
  await subscription.advance()
  for (const { topic } of step.messages) expect(hub.traffic.of(topic).delivered).toBeGreaterThan(0)
  return outlet
}

test('what is damaged or deleted is announced where it lay, each message for itself, among the gaps of pruning', async () => {
  const { sent } = await advanced({
    messages: [storedMessage(4, 'c'), storedMessage(9, 'c')],
    prunes: { count: 3, topics: [{ topic: 'a', through: 6 }] },
    removed: [
      { seq: 3, topic: 'c', reason: 'damaged' },
      { seq: 7, topic: directTopic, reason: 'damaged' },
      { seq: 8, topic: undefined, reason: 'deleted' },
      { seq: 20, topic: 'a', reason: 'damaged' },
    ],
  })
  const lost = (seq: number, where: object, reason = 'damaged') => ({
    type: 'gap',
    ...where,
    reason,
    from: `e1.${seq - 1}`,
    to: `e1.${seq}`,
  })
  const pruned = { type: 'gap', topic: 'a', reason: 'pruned', from: 'e1.2', to: 'e1.6' }
  const [direct, any, last] = [lost(7, { direct: true }), lost(8, {}, 'deleted'), lost(20, { topic: 'a' })]
  expect(sent).toEqual([lost(3, { topic: 'c' }), 4, pruned, direct, any, 9, last, { type: 'caught-up', cursor: 'e1.20' }])
})

test('gaps are announced in the order of their ends, before the messages behind them, so that a saved cursor never goes back', async () => {
  const outlet = await advanced({
    messages: [storedMessage(4, 'c'), storedMessage(18, 'c')],
    prunes: {
      count: 3,
      topics: [
        { topic: 'a', through: 19 },
        { topic: 'b', through: 17 },
        { topic: 'd', through: 9 },
        { topic: directTopic, through: 13 },
      ],
    },
  })
  const gap = (topic: string, to: number) => ({ type: 'gap', topic, reason: 'pruned', from: 'e1.2', to: `e1.${to}` })
  const direct = { type: 'gap', direct: true, reason: 'pruned', from: 'e1.2', to: 'e1.13' }
  expect(outlet.sent).toEqual([4, gap('d', 9), direct, gap('b', 17), 18, gap('a', 19), { type: 'caught-up', cursor: 'e1.20' }])
})
