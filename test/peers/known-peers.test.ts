import { expect, test } from 'vitest'
import type { ConnectedPeer } from '../../src/engine/engine.ts'
import { noTraffic } from '../../src/engine/peer-traffic.ts'
import { redialKnownPeers } from '../../src/peers/known-peers.ts'
import type { PeerRecord } from '../../src/store/peer-store.ts'
import { silentLog } from '../fixtures/log.ts'

const peer = (peerId: string): PeerRecord => ({
  ...{ peerId, label: null, blocked: false, agent: null, protocols: [], firstSeen: 0, lastSeen: 0 },
  addresses: [{ multiaddr: `/memory/${peerId}`, source: 'rest' }],
})

/** Redials the peers `a` and `b`, which answer from the given attempt on; answers how often each was dialled. */
async function redial(answersFrom: Record<string, number>, { stopAfter = Number.POSITIVE_INFINITY, forgotten = [] as string[] } = {}) {
  const dials: Record<string, number> = { a: 0, b: 0 }
  const linked: ConnectedPeer[] = []
  const stop = new AbortController()
  await redialKnownPeers(
    { maxRemembered: 10, dialTimeoutMs: 1_000, pausesMs: [1, 1, 1] },
    {
      engine: {
        peers: async () => linked,
        async dial(multiaddr) {
          const peerId = multiaddr.replace('/memory/', '')
          const attempts = (dials[peerId] ?? 0) + 1
          dials[peerId] = attempts
          if (attempts === stopAfter) stop.abort()
          if (attempts < (answersFrom[peerId] ?? 1)) throw new Error('nobody answers')
          const answered = {
            ...{
              peerId,
              networks: ['memory' as const],
              multiaddrs: [],
              direction: 'outbound' as const,
              path: { by: 'tcp' as const, via: null, since: 0 },
              agent: null,
              protocols: [],
              latencyMs: null,
              traffic: noTraffic,
              score: null,
              isThere: true,
            },
          }
          linked.push(answered)
          return answered
        },
      },
      store: {
        list: async () => [peer('a'), peer('b')],
        get: async (peerId) => (forgotten.includes(peerId) ? undefined : peer(peerId)),
      },
      logger: silentLog,
      signal: stop.signal,
    },
  )
  return dials
}

test('a known peer that does not answer at once is dialled again after pauses, one that did is not, and nobody without end', async () => {
  expect(await redial({ a: 3, b: 1 })).toEqual({ a: 3, b: 1 })
  expect(await redial({ a: 100, b: 2 })).toEqual({ a: 4, b: 2 })
})

test('a stop ends it', async () => {
  expect(await redial({ a: 100, b: 100 }, { stopAfter: 2 })).toMatchObject({ a: 2 })
})

test('who was forgotten meanwhile is not dialled again', async () => {
  expect(await redial({ a: 100, b: 3 }, { forgotten: ['a'] })).toEqual({ a: 1, b: 3 })
})
