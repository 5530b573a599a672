import { expect, onTestFinished, test } from 'vitest'
import { createGateway } from '../../src/gateway/gateway.ts'
import { defaultLimits, type Limits } from '../../src/limits.ts'
import { customEngine } from '../fixtures/custom-engine.ts'
import { loopbackHttp } from '../fixtures/gateway-pair.ts'
import { patientDelayMs } from '../fixtures/gateway-process.ts'
import { silentLog } from '../fixtures/log.ts'
import { createMemoryStore } from '../fixtures/memory-store.ts'
import { createRest } from '../fixtures/rest.ts'

async function startGateway(given: Partial<Limits> = {}) {
  const limits = { ...defaultLimits, maxEventLoopDelayMs: patientDelayMs, ...given }
  const engine = await customEngine({ limits })
  const gateway = createGateway({ http: loopbackHttp, limits }, { store: createMemoryStore(), engine, logger: silentLog })
  await gateway.start()
  onTestFinished(() => gateway.stop())
  const rest = createRest(gateway.url)
  return { engine, gateway, rest, stored: async (topic: string) => (await rest.history(`topic=${topic}`)).map(({ data }) => data) }
}

test.each([{ ownPeerTopics: 1, maxSharedPeerTopics: 1 }, { maxPeerTopics: 2 }])(
  'a neighbour without room for the topics of a peer (%o) loses it no message: what it publishes comes by catch-up',
  async (limits) => {
    const full = await startGateway(limits)
    const peer = await startGateway({ historyIntervalMs: 500 })
    const topics = ['first', 'second', 'third', 'fourth']
    for (const topic of topics) await full.rest.call('PUT', `/v1/topics/${topic}`)
    for (const topic of topics) await peer.rest.call('PUT', `/v1/topics/${topic}`)
    await peer.rest.call('POST', '/v1/peers', { multiaddr: (await full.gateway.node()).multiaddrs[0] })
    const knownTo = async ({ engine }: typeof full) =>
      (await Promise.all(topics.map((topic) => engine.subscribers(topic)))).map(({ length }) => length)
    await expect.poll(() => knownTo(full)).toEqual([1, 1, 0, 0])
    for (const topic of topics)
      expect((await full.rest.publish(topic, `on ${topic}`)).recipients).toBe(topic === 'first' || topic === 'second' ? 1 : 0)
    for (const topic of topics) await expect.poll(() => peer.stored(topic), { timeout: 20_000 }).toEqual([`on ${topic}`])
    // The other way nothing is missing: the peer had room.
    await expect.poll(() => knownTo(peer)).toEqual([1, 1, 1, 1])
    for (const topic of topics) expect((await peer.rest.publish(topic, `from the peer on ${topic}`)).recipients).toBe(1)
    for (const topic of topics) await expect.poll(() => full.stored(topic)).toContain(`from the peer on ${topic}`)
    expect(full.engine.limitsReached.peer_topic).toBeGreaterThan(0)
  },
)
