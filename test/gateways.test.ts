import { expect, test } from 'vitest'
import { createGateways } from '../src/gateways.ts'
import { silentLog } from './fixtures/log.ts'
import { createMemoryEngine, createMemoryNetwork } from './fixtures/memory-engine.ts'
import { createMemoryIdentity } from './fixtures/memory-identity.ts'
import { createMemoryStore } from './fixtures/memory-store.ts'

test('the other gateways are read anew as often as is asked for, also after the clock was set back', async () => {
  const clock = { now: 1_800_000_000_000 }
  const store = createMemoryStore()
  const engine = createMemoryEngine({ network: createMemoryNetwork(), identity: await createMemoryIdentity() })
  const parts = { store, engine, services: () => [], judged: () => [], onLost: () => undefined, log: silentLog, now: () => clock.now }
  const gateways = createGateways(parts)
  const note = async (peerId: string) => {
    const about = { engine: 'memory', version: '1', multiaddrs: [], state: 'ready' }
    await store.gateways.note({ peerId, about, startedAt: clock.now, seenAt: clock.now })
  }
  const others = async (maxAgeMs: number) => (await gateways.others(maxAgeMs)).map(({ peerId }) => peerId)
  await note('a')
  expect(await others(60_000)).toEqual(['a'])
  await note('b')
  expect(await others(60_000)).toEqual(['a'])
  clock.now -= 3_600_000
  expect(await others(0)).toEqual(['a', 'b'])
})
