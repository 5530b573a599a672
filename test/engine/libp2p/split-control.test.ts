import { RPC } from '@libp2p/gossipsub/message'
import { expect, test } from 'vitest'
import { type ControlInternals, splitControl } from '../../../src/engine/libp2p/gossip/split-control.ts'

/** What rust-libp2p takes by default, which is the least. */
const leastControlBytes = 16_384

const ids = (count: number) => Array.from({ length: count }, (_, index) => Buffer.alloc(46, index % 256))
const control = (own: Partial<RPC.ControlMessage>) => ({ graft: [], prune: [], ihave: [], iwant: [], idontwant: [], ...own })
const largest = (rpcs: RPC[]) => Math.max(...rpcs.map((rpc) => RPC.encode(rpc).length))

/** gossipsub, whose peer takes every RPC until it is told not to. */
function gossip({ measuresStrictly = true } = {}) {
  const sent: RPC[] = []
  const state = { isFull: false }
  const parts: ControlInternals = {
    streamsOutbound: new Map(),
    control: new Map(),
    gossip: new Map(),
    piggybackControl(_peerId, rpc, { graft }) {
      rpc.control = control({ graft: [...graft] })
    },
    sendRpc(_peerId, rpc) {
      if (!state.isFull) sent.push(rpc)
      return !state.isFull
    },
  }
  Reflect.set(parts, 'streamsOutbound', new Map([['peer', 'stream']]))
  splitControl(parts, { measuresStrictly: () => measuresStrictly })
  return { parts, sent, state, send: (rpc: Partial<RPC>) => parts.sendRpc('peer', { subscriptions: [], messages: [], ...rpc }) }
}

test('what waits for a peer goes ahead, in RPCs of its own, and is gone then', () => {
  const { parts, sent, send } = gossip()
  parts.control.set('peer', control({ graft: [{ topicID: 'orders' }] }))
  parts.gossip.set('peer', [{ topicID: 'orders', messageIDs: ids(5_000) }])
  expect(send({ subscriptions: [{ subscribe: true, topic: 'late' }] })).toBe(true)
  expect(largest(sent)).toBeLessThan(leastControlBytes)
  expect(sent[0]?.control?.graft).toEqual([{ topicID: 'orders' }])
  expect(sent.at(-1)).toEqual({ subscriptions: [{ subscribe: true, topic: 'late' }], messages: [] })
  expect(sent.flatMap((rpc) => rpc.control?.ihave ?? []).flatMap(({ messageIDs }) => messageIDs)).toEqual(ids(5_000))
  expect([parts.control.size, parts.gossip.size]).toEqual([0, 0])
})

test('what waits for a peer goes on waiting when the peer does not take it, or has no stream', () => {
  const { parts, state, send } = gossip()
  parts.control.set('peer', control({ graft: [{ topicID: 'orders' }] }))
  parts.gossip.set('peer', [{ topicID: 'orders', messageIDs: ids(1) }])
  state.isFull = true
  const rpc = { control: control({ graft: [{ topicID: 'other' }] }) }
  expect(send(rpc)).toBe(false)
  state.isFull = false
  parts.streamsOutbound.delete('peer')
  expect(send(rpc)).toBe(false)
  expect([parts.control.size, parts.gossip.size]).toEqual([1, 1])
})

test.each(['ihave', 'iwant', 'idontwant'] as const)(
  'ids, too many for one RPC, are several of them in order, each below its topic: %s',
  (kind) => {
    const { sent, send } = gossip()
    const lists = ['a', 'b'].map((topicID) => ({ ...(kind === 'ihave' ? { topicID } : {}), messageIDs: ids(5_000) }))
    expect(send({ control: control({ [kind]: lists }) })).toBe(true)
    expect(largest(sent)).toBeLessThan(leastControlBytes)
    const named = sent.flatMap((rpc) => rpc.control?.[kind] ?? [])
    for (const topic of kind === 'ihave' ? ['a', 'b'] : [undefined]) {
      const under = (each: object) => Reflect.get(each, 'topicID') === topic
      expect(named.filter(under).flatMap(({ messageIDs }) => messageIDs)).toEqual(
        lists.filter(under).flatMap(({ messageIDs }) => messageIDs),
      )
    }
  },
)

test('subscriptions and topics of meshes, too many for one RPC, are several', () => {
  const { sent, send } = gossip()
  const names = Array.from({ length: 1_000 }, (_, index) => `${index}`.padStart(256, 't'))
  const subscriptions = names.map((topic) => ({ subscribe: true, topic }))
  const graft = names.map((topicID) => ({ topicID }))
  const prune = names.map((topicID) => ({ topicID, peers: [], backoff: 60 }))
  expect(send({ subscriptions, control: control({ graft, prune }) })).toBe(true)
  expect(largest(sent)).toBeLessThan(leastControlBytes)
  expect(sent.flatMap((rpc) => rpc.subscriptions)).toEqual(subscriptions)
  expect(sent.flatMap((rpc) => rpc.control?.graft ?? [])).toEqual(graft)
  expect(sent.flatMap((rpc) => rpc.control?.prune ?? [])).toHaveLength(1_000)
})

test('an RPC without anything is not sent', () => {
  const { sent, send } = gossip()
  expect(send({ control: control({}) })).toBe(true)
  expect(sent).toEqual([])
})

test('the announcements of a heartbeat are at most ten RPCs, of which peers take no more, to a peer that takes large ones', () => {
  const { sent, send } = gossip({ measuresStrictly: false })
  expect(send({ control: control({ ihave: [{ topicID: 'orders', messageIDs: ids(5_000) }] }) })).toBe(true)
  expect(sent.length).toBeLessThanOrEqual(10)
  expect(largest(sent)).toBeLessThan(65_536)
})
