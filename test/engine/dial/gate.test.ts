import { multiaddr } from '@multiformats/multiaddr'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { AddressNotReached, createDialGate, type DialAttempt, type DialTarget } from '../../../src/engine/dial/gate.ts'
import { createDialPolicy } from '../../../src/engine/dial/policy.ts'
import type { LookUp } from '../../../src/lib/look-up.ts'
import type { AddressSource } from '../../../src/model/peer.ts'

const peer = '/p2p/12D3KooWGzBVWSyX2WwYPxNSUAtV5E7aVvZLgzPZKbLsdFQhcZYz'
const named = '/dns4/peer.example/tcp/1'

interface Dial {
  /** What the names lead to, one answer for each look-up. */
  answers?: string[][]
  lookUp?: LookUp
  address?: string
  source?: AddressSource
  signal?: AbortSignal
  /** What becomes of each attempt to connect: its error, or none. */
  outcomes?: Array<Error | undefined>
  onConnect?: (target: DialTarget) => void
}

/** Dials once; answers what was looked up and connected to, and how it ended. */
async function dial(options: Dial) {
  const { answers = [], address = named, source = 'learnt', signal = new AbortController().signal, outcomes = [] } = options
  const policy = createDialPolicy({ dialPrivate: true }, { ownAddresses: () => [] })
  policy.note(address, source)
  const lookedUp: Array<[string, number]> = []
  const targets: DialTarget[] = []
  const lookUp: LookUp = (name, family, signal, holder) => {
    lookedUp.push([name, family])
    return options.lookUp?.(name, family, signal, holder) ?? Promise.resolve(answers[lookedUp.length - 1] ?? [])
  }
  const connect = async (target: DialTarget) => {
    targets.push(target)
    options.onConnect?.(target)
    const error = outcomes[targets.length - 1]
    if (error !== undefined) throw error
    return `link to ${target.ip}`
  }
  const end = await createDialGate({ policy, lookUp })
    .dial(multiaddr(address + peer), signal, connect)
    .catch((error: unknown) => error)
  return { end, lookedUp, targets, ips: targets.map(({ ip }) => ip) }
}

function attemptsOf(end: unknown): DialAttempt[] {
  expect(end).toBeInstanceOf(AddressNotReached)
  return end instanceof AddressNotReached ? end.attempts : []
}

describe('the address that is judged is the one that is dialled', () => {
  test('a name that answers differently each time is looked up once', async () => {
    const { end, lookedUp, targets } = await dial({ answers: [['8.8.8.8'], ['127.0.0.1'], ['127.0.0.1']] })
    expect(end).toBe('link to 8.8.8.8')
    expect(lookedUp).toEqual([['peer.example', 4]])
    expect(targets).toEqual([{ address: multiaddr(named + peer), ip: '8.8.8.8' }])
  })

  test('of a name with forbidden and allowed addresses only these are dialled', async () => {
    const answers = [['127.0.0.1', '8.8.8.8', '169.254.169.254', '2606:4700::1', '::ffff:10.0.0.1']]
    const { end, ips } = await dial({ answers, outcomes: [new Error('refused'), new Error('no route')] })
    expect(ips).toEqual(['8.8.8.8', '2606:4700::1'])
    expect(attemptsOf(end)).toEqual([
      { multiaddr: named + peer, message: expect.stringMatching(/^127\.0\.0\.1 is an address of this host/), forbidden: true },
      { multiaddr: named + peer, message: '8.8.8.8: refused', forbidden: false },
      { multiaddr: named + peer, message: expect.stringMatching(/^169\.254\.169\.254 is link-local/), forbidden: true },
      { multiaddr: named + peer, message: '2606:4700::1: no route', forbidden: false },
      { multiaddr: named + peer, message: expect.stringMatching(/^::ffff:10\.0\.0\.1 is a private address/), forbidden: true },
    ])
  })

  test.each([
    ['learnt', named, ['127.0.0.1', '10.0.0.1', '::1']],
    ['rest', named, ['169.254.169.254', '::ffff:169.254.169.254']],
    ['learnt', '/ip4/192.168.0.1/tcp/1', []],
    ['configured', '/ip4/169.254.169.254/tcp/1', []],
    ['mdns', '/ip6/fe80::1/tcp/1', []],
    ['rest', named, ['no IP address']],
  ] as const)('a %s %s that leads to %j only is never connected to', async (source, address, answer) => {
    const { end, ips } = await dial({ source, address, answers: [[...answer]] })
    expect(ips).toEqual([])
    expect(attemptsOf(end).map(({ forbidden }) => forbidden)).toEqual(answer.length === 0 ? [true] : answer.map(() => true))
  })

  test('whatever a name leads to, only what its source may dial is connected to, in the order of the answer', async () => {
    const ip = fc.oneof(fc.ipV4(), fc.ipV6(), fc.constantFrom('127.0.0.1', '10.0.0.1', '::1', '169.254.169.254', '::ffff:127.0.0.1', 'x'))
    const judge = createDialPolicy({ dialPrivate: true }, { ownAddresses: () => [] })
    await fc.assert(
      fc.asyncProperty(
        fc.array(ip, { maxLength: 12 }),
        fc.constantFrom<AddressSource>('configured', 'rest', 'mdns', 'learnt'),
        async (answer, source) => {
          const { end, ips } = await dial({ source, answers: [answer], outcomes: answer.map(() => new Error('refused')) })
          const tried = [...new Set(answer.slice(0, 8))]
          expect(ips).toEqual(tried.filter((one) => judge.refusal(one, source) === undefined))
          expect(attemptsOf(end)).toHaveLength(Math.max(tried.length, 1))
        },
      ),
    )
  })
})

describe('names', () => {
  test.each([
    ['/dns/peer.example/tcp/1', 0],
    ['/dns4/peer.example/tcp/1/ws', 4],
    ['/dns6/peer.example/tcp/1/tls/ws', 6],
  ])('%s asks for addresses of family %i', async (address, family) => {
    expect(await dial({ address, answers: [['8.8.8.8']] })).toMatchObject({ end: 'link to 8.8.8.8', lookedUp: [['peer.example', family]] })
  })

  test.each(['/ip4/8.8.8.8/tcp/1', '/ip6/2606:4700::1/tcp/1'])('%s is not looked up', async (address) => {
    expect(await dial({ address })).toMatchObject({ ips: [address.split('/')[2]], lookedUp: [] })
  })

  test.each([
    '127.1',
    '0x7f.1',
    '0x7f000001',
    '0x',
    '2130706433',
    '0177.0.0.1',
    '127.0.0.1',
    '127.0.0.1.',
    '127.0.0.0X1',
    '１２７.0.0.1',
    '::1',
    '[::1]',
    'fe80::1%eth0',
    'peer..example',
    'peer.example:80',
    '-peer.example',
    'peer@10.0.0.1.example',
    `${'x'.repeat(64)}.example`,
  ])('%s is no host name, and nobody is asked for it', async (host) => {
    const { end, lookedUp, ips } = await dial({ address: `/dns4/${host}/tcp/1`, source: 'rest', answers: [['8.8.8.8']] })
    expect([lookedUp, ips]).toEqual([[], []])
    expect(attemptsOf(end)).toMatchObject([{ forbidden: false, message: expect.stringMatching(/is not a host name/) }])
  })

  test.each(['localhost', 'peer.example.', '1.peer', '127.0.0.1.example', '0x7f.0xyz', 'xn--bcher-kva.example', '_srv.peer'])(
    '%s is a host name',
    async (host) => {
      expect(await dial({ address: `/dns/${host}/tcp/1`, answers: [['8.8.8.8']] })).toMatchObject({
        lookedUp: [[host, 0]],
        ips: ['8.8.8.8'],
      })
    },
  )

  test.each(['/ip6zone/eth0/ip6/fe80::1/tcp/1', '/dnsaddr/peer.example/tcp/1', '/unix/tmp', '/tcp/1'])(
    '%s names no host that is dialled',
    async (address) => {
      const { end, lookedUp, ips } = await dial({ address, source: 'rest', answers: [['8.8.8.8']] })
      expect([lookedUp, ips]).toEqual([[], []])
      expect(attemptsOf(end)).toMatchObject([{ forbidden: false }])
    },
  )

  test('8 addresses of a name are tried', async () => {
    const answer = Array.from({ length: 20 }, (_, index) => `8.8.8.${index}`)
    const { end, ips } = await dial({ answers: [answer], outcomes: answer.map(() => new Error('refused')) })
    expect(ips).toEqual(answer.slice(0, 8))
    expect(attemptsOf(end)).toHaveLength(8)
  })

  test('one that leads nowhere, or is not found, is not reached and not forbidden', async () => {
    expect(attemptsOf((await dial({ answers: [[]] })).end)).toMatchObject([
      { message: 'the name resolves to no address', forbidden: false },
    ])
    const lookUp = () => Promise.reject(new Error('ENOTFOUND'))
    expect(attemptsOf((await dial({ lookUp })).end)).toEqual([{ multiaddr: named + peer, message: 'ENOTFOUND', forbidden: false }])
  })

  test('the system is asked unless told otherwise, and its answer is judged', async () => {
    const gate = createDialGate({ policy: createDialPolicy({ dialPrivate: true }) })
    const end = await gate
      .dial(multiaddr('/dns/localhost/tcp/1'), new AbortController().signal, async () => 'a link')
      .catch((error: unknown) => error)
    expect(attemptsOf(end).map(({ forbidden }) => forbidden)).not.toContain(false)
  })
})

describe('attempts', () => {
  test('are told apart from refusals: an address was tried when a socket to it was opened', async () => {
    const tried = await dial({ answers: [['8.8.8.8']], outcomes: [new Error('refused')] })
    expect(tried.end).toMatchObject({ wasTried: true })
    const forbidden = await dial({ answers: [['169.254.169.254']] })
    expect(forbidden.end).toMatchObject({ wasTried: false })
  })

  test('after a failed one the next address is tried, and none after the first that connects', async () => {
    const { end, ips } = await dial({ answers: [['8.8.8.8', '8.8.4.4', '1.1.1.1']], outcomes: [new Error('refused')] })
    expect(end).toBe('link to 8.8.4.4')
    expect(ips).toEqual(['8.8.8.8', '8.8.4.4'])
  })

  test('a connection that the gater intercepts says something of the peer: it is passed on, and no other is made', async () => {
    const refused = Object.assign(new Error('not you'), { name: 'ConnectionInterceptedError' })
    const { end, ips } = await dial({ answers: [['8.8.8.8', '8.8.4.4']], outcomes: [refused] })
    expect(end).toBe(refused)
    expect(ips).toEqual(['8.8.8.8'])
  })

  test('end at once when the signal fires during the look-up', async () => {
    const aborting = new AbortController()
    const lookUp = () => {
      queueMicrotask(() => aborting.abort(new Error('enough')))
      return new Promise<never>(() => undefined)
    }
    const { end, ips } = await dial({ lookUp, signal: aborting.signal })
    expect(ips).toEqual([])
    expect(attemptsOf(end)).toMatchObject([{ message: 'enough', forbidden: false }])
  })

  test.each([
    ['answer', () => ['8.8.8.8']],
    [
      'failure',
      () => {
        throw new Error('ENOTFOUND')
      },
    ],
  ])('are not made of an %s of the look-up that comes after the signal', async (_, late) => {
    const aborting = new AbortController()
    const answered = Promise.withResolvers<void>()
    const done = dial({ lookUp: () => answered.promise.then(late), signal: aborting.signal })
    aborting.abort(new Error('enough'))
    answered.resolve()
    const { end, ips } = await done
    expect(ips).toEqual([])
    expect(attemptsOf(end)).toMatchObject([{ message: 'enough' }])
  })

  test('nobody is asked for a name once the signal has fired', async () => {
    const { end, ips, lookedUp } = await dial({ answers: [['8.8.8.8']], signal: AbortSignal.abort(new Error('enough')) })
    expect(attemptsOf(end)).toMatchObject([{ message: 'enough', forbidden: false }])
    expect(ips).toEqual([])
    expect(lookedUp).toEqual([])
  })

  test('no other is made when the signal fires during one', async () => {
    const aborting = new AbortController()
    const { end, ips } = await dial({
      answers: [['8.8.8.8', '8.8.4.4']],
      outcomes: [new Error('cut')],
      signal: aborting.signal,
      onConnect: () => aborting.abort(new Error('enough')),
    })
    expect(ips).toEqual(['8.8.8.8'])
    expect(attemptsOf(end).map(({ message }) => message)).toEqual(['8.8.8.8: cut', '8.8.4.4: enough'])
  })
})

test('a look-up counts to the client that asked for the dial, else to the peer that told the address', async () => {
  const policy = createDialPolicy({ dialPrivate: true }, { ownAddresses: () => [] })
  const holders: string[] = []
  const lookUp: LookUp = async (_name, _family, _signal, holder) => {
    holders.push(holder)
    return []
  }
  const gate = createDialGate({ policy, lookUp })
  const dialOnce = () =>
    gate.dial(multiaddr(named + peer), new AbortController().signal, async () => 'link').catch((error: unknown) => error)
  policy.told([named], { ip: '192.0.2.7', isRelayed: false })
  await dialOnce()
  const asking = policy.asking(named, 'tok_1')
  await dialOnce()
  asking[Symbol.dispose]()
  await dialOnce()
  expect(holders).toEqual(['192.0.2.7', 'tok_1', '192.0.2.7'])
})
