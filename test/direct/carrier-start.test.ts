import { expect, onTestFinished, test } from 'vitest'
import { agesOf } from '../../src/clock/ages.ts'
import { createCarrier } from '../../src/direct/carrier.ts'
import type { ConnectedPeer } from '../../src/engine/engine.ts'
import { noTraffic } from '../../src/engine/peer-traffic.ts'
import { PeerNotConnected } from '../../src/errors.ts'
import { defaultLimits } from '../../src/limits.ts'
import { directStatus } from '../../src/model/direct-status.ts'
import type { DeliveryStore } from '../../src/store/delivery-store.ts'
import { silentLog } from '../fixtures/log.ts'
import { createMemoryDeliveries } from '../fixtures/memory-store/deliveries.ts'

/** What a carrier finds at its start: claims of a life that a crash ended, and links that came before it. */

const now = 1_000_000
const hour = 3_600_000
const there: ConnectedPeer = {
  ...{
    peerId: 'there',
    networks: ['memory'],
    multiaddrs: [],
    direction: 'inbound',
    path: { by: 'tcp', via: null, since: now },
    agent: null,
    protocols: [],
    latencyMs: null,
    traffic: noTraffic,
    score: null,
  },
}
const seen = {
  ...{
    state: 'connected' as const,
    path: 'tcp',
    via: null,
    beyond: [],
    since: new Date(now).toISOString(),
    label: null,
    blocked: false,
    topics: [],
    gateway: 'here',
  },
  ...{ firstSeen: new Date(now).toISOString(), lastSeen: new Date(now).toISOString() },
}

/** A delivery to `there` is queued; answers its store, and a carrier of the gateway `here`, which has a link to `there` or can dial it. */
async function queued({ isLinked }: { isLinked: boolean }) {
  const store = createMemoryDeliveries({ deliveries: new Map(), turns: new Map() })
  const expiresAt = now + hour
  await store.add(
    { id: '1', messageId: 'm', client: 'c', to: 'there', envelope: new Uint8Array(10), expiresAt, createdAt: now, idempotency: undefined },
    0,
  )
  let hasLink = isLinked
  const carrier = createCarrier(
    { limits: defaultLimits },
    {
      engine: {
        peerId: 'here',
        async request() {
          if (!hasLink) throw new PeerNotConnected('There is no link to this peer.')
          return Uint8Array.of(directStatus.kept)
        },
        peers: async () => (hasLink ? [there] : []),
        listen: () => () => undefined,
      },
      peers: {
        async dialPeer() {
          hasLink = true
          return { ...there, ...seen }
        },
      },
      store,
      inbox: { take: async () => new Uint8Array() },
      metrics: { damaged: () => undefined },
      logger: silentLog,
      clock: agesOf(() => now),
    },
  )
  onTestFinished(() => carrier.stop())
  return { store, carrier }
}

const stateIn = (store: DeliveryStore) => async () => (await store.get('1'))?.state

test('what a life before was carrying when it ended is carried on at once', async () => {
  const { store, carrier } = await queued({ isLinked: false })
  expect(await store.claim({ by: 'here', client: 'c', now, until: now + hour, limit: 10 })).toEqual(['there'])
  await carrier.start()
  await expect.poll(stateIn(store)).toBe('delivered')
})

test('who has a link already is sent to, although the next attempt was to be much later', async () => {
  const { store, carrier } = await queued({ isLinked: true })
  await store.claim({ by: 'here', client: 'c', now, until: now + hour, limit: 10 })
  await store.failed({ by: 'here', recipient: 'there', id: '1', lastError: 'away', dueAt: now + hour, now })
  await carrier.start()
  await expect.poll(stateIn(store)).toBe('delivered')
})
