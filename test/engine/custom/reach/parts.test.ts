import { describe, expect, test } from 'vitest'
import { createDialBack, NotTried } from '../../../../src/engine/custom/reach/dial-back.ts'
import { dialBackAnswer, dialBackRequest } from '../../../../src/engine/custom/reach/protocols.ts'
import { createObserved } from '../../../../src/engine/reach/observed.ts'

describe('addresses as others see them', () => {
  test('count when two agree, or when there is only one to ask', () => {
    const observed = createObserved()
    observed.note('a', '198.51.100.7:40001')
    expect(observed.addresses()).toEqual(['198.51.100.7'])
    observed.note('b', '[2001:db8::7]:40001')
    expect(observed.addresses()).toEqual([])
    observed.note('c', '198.51.100.7')
    expect(observed.addresses()).toEqual(['198.51.100.7'])
    observed.lost('a')
    expect(observed.addresses()).toEqual([])
  })

  test('are nothing but IP addresses', () => {
    const observed = createObserved()
    for (const word of ['', 'gateway.example:7071', '999.1.1.1:1', '[::1', '/ip4/1.2.3.4']) observed.note('a', word)
    expect(observed.addresses()).toEqual([])
  })
})

describe('a dial-back', () => {
  const signal = AbortSignal.timeout(60_000)
  const multiaddrs = ['/ip4/198.51.100.7/tcp/7071/ws', '/ip4/203.0.113.9/tcp/22/ws']

  function handler(probed: string[] = []) {
    const clock = { now: 0 }
    const answer = createDialBack(
      { timeoutMs: 1_000 },
      {
        seenAt: (peerId) => (peerId === 'stranger' ? undefined : '198.51.100.7'),
        async probe(address, { ip }) {
          if (!address.includes(ip)) throw new NotTried('elsewhere')
          probed.push(address)
          if (address.includes('/tcp/1/')) throw new Error('nobody there')
        },
        now: () => clock.now,
      },
    )
    const ask = async (from: string, addresses: string[] = multiaddrs) =>
      dialBackAnswer.decode(await answer({ from, body: dialBackRequest.encode({ multiaddrs: addresses }), signal })).results
    return { ask, clock }
  }

  test('says what was reached and what was not, and leaves out what was not tried', async () => {
    const { ask } = handler()
    const closed = '/ip4/198.51.100.7/tcp/1/ws'
    expect(await ask('peer', [...multiaddrs, closed])).toEqual([
      { multiaddr: multiaddrs[0], reached: true },
      { multiaddr: closed, reached: false },
    ])
  })

  test('is refused to whoever has no direct link, and to a request that is none', async () => {
    const { ask } = handler()
    await expect(ask('stranger')).rejects.toThrow(/direct link/)
    await expect(ask('peer', [])).rejects.toThrow()
    await expect(ask('peer', Array(9).fill(multiaddrs[0]))).rejects.toThrow()
  })

  test('is done five times for a peer at once, then every twenty seconds', async () => {
    const { ask, clock } = handler()
    for (let count = 0; count < 5; count++) await ask('peer')
    await expect(ask('peer')).rejects.toThrow(/too many/)
    await ask('another')
    clock.now = 20_000
    await ask('peer')
    await expect(ask('peer')).rejects.toThrow(/too many/)
  })

  test('is done twenty times for all at once', async () => {
    const { ask } = handler()
    for (let count = 0; count < 20; count++) await ask(`peer ${count}`)
    await expect(ask('one more')).rejects.toThrow(/too many/)
  })
})
