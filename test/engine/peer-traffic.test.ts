import { expect, test } from 'vitest'
import { createTrafficCounter, mergedExchange, noTraffic } from '../../src/engine/peer-traffic.ts'

test('messages of a linked peer are counted until its last link ends, and later ones are not kept', () => {
  const linked = new Set(['peer'])
  const traffic = createTrafficCounter({ isLinked: (peerId) => linked.has(peerId) })
  traffic.received('peer', 100)
  traffic.received('peer', 50)
  traffic.sent('peer', 3, 70)
  expect(traffic.of('peer')).toEqual({ messagesIn: 2, bytesIn: 150, messagesOut: 3, bytesOut: 70 })
  linked.delete('peer')
  traffic.gone('peer')
  traffic.received('peer', 100)
  expect(traffic.of('peer')).toEqual(noTraffic)
  linked.add('peer')
  traffic.sent('peer', 1, 10)
  expect(traffic.of('peer')).toEqual({ ...noTraffic, messagesOut: 1, bytesOut: 10 })
})

test('a peer in two networks has the lower score of those that there are', () => {
  const scores = (...all: (number | null)[]) => mergedExchange(all.map((score) => ({ traffic: noTraffic, score }))).score
  expect([scores(null, null), scores(null, 2), scores(0, -1)]).toEqual([null, 2, -1])
})
