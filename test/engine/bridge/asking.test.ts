import { expect, onTestFinished, test, vi } from 'vitest'
import { createAsking } from '../../../src/engine/bridge/asking.ts'
import { decodeCarry, encodeCarried } from '../../../src/engine/bridge/carry.ts'
import { bridgeProtocol } from '../../../src/engine/bridge/protocols.ts'
import type { ConnectedPeer } from '../../../src/engine/engine.ts'
import { PeerNotConnected } from '../../../src/errors.ts'
import { defaultLimits } from '../../../src/limits.ts'
import { createMemoryIdentity } from '../../fixtures/memory-identity.ts'

const { signal } = new AbortController()

test('a search in vain is remembered until 200 others were', async () => {
  vi.useFakeTimers({ toFake: ['performance'] })
  onTestFinished(() => void vi.useRealTimers())
  const { peerId, seed } = await createMemoryIdentity()
  const bridge = Object.assign(Object.create(null) as ConnectedPeer, { peerId: 'bridge', protocols: [bridgeProtocol] })
  const searched: string[] = []
  const asking = createAsking(
    { peerId, seed, limits: defaultLimits },
    {
      engine: {
        peers: async () => [bridge],
        async request(_, __, body) {
          const { to, search } = decodeCarry(body)
          if (search !== undefined) searched.push(to)
          return encodeCarried({ status: 'no_link' })
        },
      },
      onAnswered: () => undefined,
    },
  )
  const ask = (to: string) =>
    expect(asking.request(to, '/protocol', new Uint8Array(), { signal, maxAnswerBytes: 1_000 })).rejects.toThrow(PeerNotConnected)
  await ask('first')
  for (let other = 1; other < 200; other++) await ask(`other-${other}`)
  await ask('first')
  expect(searched.length).toBe(200)
  await ask('last')
  await ask('first')
  expect(searched.slice(200)).toEqual(['last', 'first'])
})
