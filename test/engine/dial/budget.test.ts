import { multiaddr } from '@multiformats/multiaddr'
import { describe, expect, test } from 'vitest'
import type { DialOptions } from '../../../src/engine/dial/budget.ts'
import { createDialGate } from '../../../src/engine/dial/gate.ts'
import { createDialPolicy } from '../../../src/engine/dial/policy.ts'

const second = 1_000

/** A gate on a clock of its own that draws the longest pauses, whose dials fail but where a peer is; notes what is connected to. */
function gate() {
  let now = 0
  const policy = createDialPolicy({ dialPrivate: true }, { ownAddresses: () => [] })
  let refused = 0
  const subject = createDialGate({ policy, now: () => now, random: () => 1, onRefused: () => refused++ })
  const peers = new Set<string>()
  const dialled: string[] = []
  const signal = new AbortController().signal

  async function dial(ip: string, port: number, options: DialOptions = {}): Promise<string | undefined> {
    const text = `/${ip.includes(':') ? 'ip6' : 'ip4'}/${ip}/tcp/${port}`
    const end = await subject
      .dial(
        multiaddr(text),
        signal,
        async () => {
          dialled.push(`${ip} ${port}`)
          if (!peers.has(`${ip} ${port}`)) throw new Error('nobody is there')
        },
        options,
      )
      .catch((error: unknown) => error)
    return end instanceof Error ? end.message : undefined
  }

  return {
    policy,
    subject,
    signal,
    peers,
    dialled,
    dial,
    refused: () => refused,
    pass(ms: number) {
      now += ms
    },
    tell: (teller: string, ip: string, port: number) => policy.told([`/ip4/${ip}/tcp/${port}`], { ip: teller, isRelayed: false }),
  }
}

describe('what others tell', () => {
  test('leads to a host where no peer is sixteen times, whatever its port, and then twice a minute', async () => {
    const { dial, dialled, pass, refused } = gate()
    for (let port = 1; port <= 100; port++) await dial('8.8.8.8', port)
    expect([dialled.length, refused()]).toEqual([16, 84])
    for (let passed = 0; passed < 65; passed++) {
      pass(second)
      await dial('8.8.8.8', 1_000 + passed)
    }
    expect(dialled).toHaveLength(18)
  })

  test('is dialled again at once where the peer dials at the same moment, within the budget of the host', async () => {
    const { dial, dialled, pass } = gate()
    expect([await dial('8.8.8.8', 1), await dial('8.8.8.8', 1)]).toEqual(['8.8.8.8: nobody is there', expect.stringMatching(/not due yet/)])
    for (let punch = 0; punch < 100; punch++) await dial('8.8.8.8', 1, { isMutual: true })
    expect(dialled).toHaveLength(16)
    // These say nothing of the door: the pause after the only ordinary dial is over.
    pass(30 * second)
    await dial('8.8.8.8', 1)
    expect(dialled).toHaveLength(17)
  })

  test('leads to the same 64 bits of IPv6 as to one host', async () => {
    const { dial, dialled } = gate()
    for (let host = 1; host <= 40; host++) await dial(`2606:4700::${host}`, 1)
    expect(dialled).toHaveLength(16)
  })

  test('leads to a port where nobody answered in growing pauses', async () => {
    const { dial, dialled, pass } = gate()
    for (let passed = 0; passed < 650; passed++) {
      await dial('8.8.8.8', 1)
      pass(second)
    }
    // After 1, 2, 4, … 256 and 300 s.
    expect(dialled).toHaveLength(10)
  })

  test('leads to a peer that was reached before, however many other ports of its host were tried in vain', async () => {
    const { dial, dialled, peers, pass } = gate()
    peers.add('8.8.8.8 7071')
    expect(await dial('8.8.8.8', 7071)).toBeUndefined()
    for (let port = 1; port <= 100; port++) await dial('8.8.8.8', port)
    expect(dialled).toHaveLength(17)
    expect(await dial('8.8.8.8', 7071)).toBeUndefined()
    peers.clear()
    expect(await dial('8.8.8.8', 7071)).toMatch(/nobody is there/)
    expect(await dial('8.8.8.8', 7071)).toMatch(/next attempt is not due yet/)
    pass(second)
    expect(await dial('8.8.8.8', 7071)).toMatch(/nobody is there/)
  })

  test('of one teller leads nowhere 32 times and then every two seconds, and leaves what others tell', async () => {
    const { dial, dialled, tell, pass } = gate()
    for (let host = 1; host <= 100; host++) {
      tell('1.1.1.1', `8.8.1.${host}`, 1)
      await dial(`8.8.1.${host}`, 1)
    }
    expect(dialled).toHaveLength(32)
    pass(2 * second)
    for (let host = 1; host <= 3; host++) {
      tell('1.1.1.1', `8.8.2.${host}`, 1)
      await dial(`8.8.2.${host}`, 1)
    }
    expect(dialled).toHaveLength(33)
    tell('1.0.0.1', '8.8.3.1', 1)
    await dial('8.8.3.1', 1)
    // What the liar tells as well is still good on the other's word.
    tell('1.0.0.1', '8.8.2.3', 1)
    await dial('8.8.2.3', 1)
    expect(dialled).toHaveLength(35)
  })

  test('costs nothing where a peer is', async () => {
    const { dial, dialled, tell, peers } = gate()
    for (let host = 1; host <= 100; host++) {
      tell('1.1.1.1', `8.8.1.${host}`, 1)
      peers.add(`8.8.1.${host} 1`)
      expect(await dial(`8.8.1.${host}`, 1)).toBeUndefined()
    }
    expect(dialled).toHaveLength(100)
  })

  test('of one teller takes 24 dials at once, so that 8 are left', async () => {
    const { subject, signal, tell } = gate()
    const started: string[] = []
    const never = Promise.withResolvers<void>()
    const open = (ip: string) => {
      const dialling = subject.dial(multiaddr(`/ip4/${ip}/tcp/1`), signal, async () => {
        started.push(ip)
        await never.promise
      })
      return dialling.catch((error: unknown) => error)
    }
    const ends = Array.from({ length: 30 }, (_, host) => {
      tell('1.1.1.1', `8.8.1.${host}`, 1)
      return open(`8.8.1.${host}`)
    })
    tell('1.0.0.1', '8.8.2.1', 1)
    ends.push(open('8.8.2.1'))
    await expect.poll(() => started).toHaveLength(25)
    never.resolve()
    const refusals = (await Promise.all(ends)).filter((end) => end instanceof Error)
    expect(refusals.map(({ message }) => message)).toEqual(Array(6).fill('too many dials of learnt addresses are in progress'))
  })

  test('leads through a relay to peers that it does not lead to a few times only', async () => {
    const { subject } = gate()
    let opened = 0
    for (let peer = 0; peer < 100; peer++) {
      const address = multiaddr('/ip4/8.8.8.8/tcp/1/p2p/12D3KooWGzBVWSyX2WwYPxNSUAtV5E7aVvZLgzPZKbLsdFQhcZYz/p2p-circuit')
      await subject
        .dialThrough(address, { relay: 'relay', peerId: `peer ${peer}` }, async () => {
          opened++
          throw new Error('the peer is not reached through this relay')
        })
        .catch(() => undefined)
    }
    expect(opened).toBe(16)
  })
})

test('what the operator or a client asks for is dialled whatever others have told', async () => {
  const { dial, dialled, policy } = gate()
  for (let port = 1; port <= 100; port++) await dial('8.8.8.8', port)
  const asking = policy.asking('/ip4/8.8.8.8/tcp/1')
  for (let again = 0; again < 5; again++) expect(await dial('8.8.8.8', 1)).toMatch(/nobody is there/)
  expect(dialled).toHaveLength(21)
  asking[Symbol.dispose]()
  await dial('8.8.8.8', 1)
  expect(dialled).toHaveLength(21)
})
