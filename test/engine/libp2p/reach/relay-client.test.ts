import type { Connection } from '@libp2p/interface'
import { peerIdFromString } from '@libp2p/peer-id'
import { lpStream, streamPair } from '@libp2p/utils'
import { multiaddr } from '@multiformats/multiaddr'
import { expect, test } from 'vitest'
import { createDialPolicy } from '../../../../src/engine/dial/policy.ts'
import { createDialledAt } from '../../../../src/engine/libp2p/dialled-at.ts'
import { bytesField, numberField } from '../../../../src/engine/libp2p/protobuf.ts'
import { createRelayClient } from '../../../../src/engine/libp2p/reach/relay-client.ts'
import { connectRequest, decodeHopAnswer, reserveRequest } from '../../../../src/engine/libp2p/reach/relay-messages.ts'

const signal = AbortSignal.timeout(60_000)
const own = '12D3KooWGzBVWSyX2WwYPxNSUAtV5E7aVvZLgzPZKbLsdFQhcZYz'
const relayId = '12D3KooWEiBbt7iGbJYWiTzHFHPpcgwtNWMdJ1WLRDtrSDPt1Ybg'
const dialled = '/ip4/8.8.4.7/tcp/7071'
const now = 1_700_000_000_000
const status = { ok: 100, refused: 200, resourceLimit: 201, connectionFailed: 203, noReservation: 204 }

/** An answer of a relay, with a reservation unless it refuses. */
function answerOf(code: number, { expiresAt = now / 1_000 + 3_600, addresses = [dialled] as (string | Uint8Array)[] } = {}): Buffer {
  const bytes = addresses.map((each) => bytesField(2, typeof each === 'string' ? multiaddr(each).bytes : each))
  const reservation = bytesField(3, Buffer.concat([numberField(1, expiresAt), ...bytes]))
  return Buffer.concat([numberField(1, 2), ...(code === status.ok ? [reservation] : []), numberField(5, code)])
}

/** A client with a connection to a relay that answers each request as told; undefined for never. */
function client(onRequest: (request: Buffer) => Buffer | undefined, { direction = 'outbound', timeoutMs = 30_000 } = {}) {
  const policy = createDialPolicy({ dialPrivate: true }, { ownAddresses: () => ['10.1.0.2/16'] })
  const asking = createRelayClient({ peerId: own, timeoutMs }, { policy, dialledAt: createDialledAt(), now: () => now })
  const connection = Object.assign<object, Pick<Connection, 'remotePeer' | 'remoteAddr' | 'newStream'>>(Object.create(null), {
    remotePeer: peerIdFromString(relayId),
    remoteAddr: multiaddr(dialled),
    async newStream() {
      const [mine, theirs] = await streamPair()
      const messages = lpStream(theirs)
      void messages.read({ signal }).then(async (request) => {
        const answer = onRequest(Buffer.from(request.subarray()))
        if (answer !== undefined) await messages.write(answer, { signal })
      })
      return mine
    },
  })
  return { asking, connection: Object.assign(connection, { direction }) as unknown as Connection }
}

const through = (address: string) => `${address}/p2p/${relayId}/p2p-circuit`

/** As `@libp2p/circuit-relay-v2` encodes them. */
test('the messages of relays', () => {
  expect(Buffer.from(reserveRequest).toString('hex')).toBe('0800')
  expect(Buffer.from(connectRequest(peerIdFromString(own).toMultihash().bytes)).toString('hex')).toBe(
    '080112280a260024080112206a858b6d7cd44fca52b83910c858893ce0e45254f7a4e6d61b14cc7397946497',
  )
  expect(decodeHopAnswer(Buffer.from('08021a100890fecfaa0612080408080407061b9f2205087810e8072864', 'hex'))).toEqual({
    status: status.ok,
    expiresAt: 1_700_003_600,
    addresses: [Buffer.from(multiaddr('/ip4/8.8.4.7/tcp/7071').bytes)],
  })
  expect(decodeHopAnswer(Buffer.from('080228c801', 'hex'))).toEqual({ status: status.refused, expiresAt: 0, addresses: [] })
  for (const bytes of ['', '0800', '08021a05']) expect(() => decodeHopAnswer(Buffer.from(bytes, 'hex')), bytes).toThrow()
})

test('a reservation is renewed after half of its time, and leads through the address at which the relay was dialled', async () => {
  const requests: string[] = []
  const { asking, connection } = client((request) => {
    requests.push(request.toString('hex'))
    return answerOf(status.ok)
  })
  expect(await asking.reserve(connection, signal)).toEqual({ renewMs: 1_800_000, addresses: [through(dialled)] })
  expect(requests).toEqual(['0800'])
})

test.each([
  ['in the past', -100, 30_000],
  ['left out', -now / 1_000, 30_000],
  ['in ten minutes', 600, 300_000],
  ['in a million years', 3e13, 1_800_000],
])('a reservation that ends %s', async (_when, seconds, renewMs) => {
  const { asking, connection } = client(() => answerOf(status.ok, { expiresAt: now / 1_000 + seconds }))
  expect((await asking.reserve(connection, signal)).renewMs).toBe(renewMs)
})

test('of the addresses that a relay tells, only its own are announced, and none that it may not tell', async () => {
  const addresses = [
    '/ip4/10.1.0.3/tcp/7071',
    '/ip4/127.0.0.1/tcp/22',
    '/ip4/9.9.9.9/udp/53',
    `/ip4/9.9.9.9/tcp/7071/p2p/${own}`,
    `/ip4/9.9.9.9/tcp/7071/p2p/${relayId}/p2p-circuit`,
    `/dns4/${'a'.repeat(260)}/tcp/7071`,
    Buffer.from('no address'),
    `${dialled}/p2p/${relayId}`,
    '/dns4/relay.example/tcp/443/tls/ws',
  ]
  const { asking, connection } = client(() => answerOf(status.ok, { addresses }))
  const { addresses: announced } = await asking.reserve(connection, signal)
  expect(announced).toEqual([dialled, '/dns4/relay.example/tcp/443/tls/ws'].map(through))
})

test('four addresses of a relay are announced, those on the Internet first, and none where it dialled from', async () => {
  const open = Array.from({ length: 6 }, (_, number) => `/ip4/9.9.9.${number + 1}/tcp/7071`)
  const { asking, connection } = client(() => answerOf(status.ok, { addresses: ['/ip4/10.1.0.3/tcp/7071', ...open] }), {
    direction: 'inbound',
  })
  Object.assign(connection, { remoteAddr: multiaddr('/ip4/10.1.0.3/tcp/40001') })
  expect((await asking.reserve(connection, signal)).addresses).toEqual(open.slice(0, 4).map(through))
})

test('a reservation of a relay that nobody could dial is none', async () => {
  const { asking, connection } = client(() => answerOf(status.ok, { addresses: ['/ip4/127.0.0.1/tcp/22'] }), { direction: 'inbound' })
  await expect(asking.reserve(connection, signal)).rejects.toThrow('no address')
})

test.each([
  ['refuses', () => answerOf(status.refused), /status 200/],
  ['answers with garbage', () => Buffer.alloc(100, 255), /./],
  ['answers with more than an answer has', () => Buffer.alloc(8_193), /./],
])('a relay that %s has made no reservation', async (_name, answer, reason) => {
  const { asking, connection } = client(answer)
  await expect(asking.reserve(connection, signal)).rejects.toThrow(reason)
  if (_name !== 'refuses') await expect(asking.prove(connection, signal)).rejects.toThrow(reason)
})

test('a relay that does not answer is given up', async () => {
  const { asking, connection } = client(() => undefined, { timeoutMs: 10 })
  await expect(asking.reserve(connection, signal)).rejects.toThrow()
  await expect(asking.prove(connection, signal)).rejects.toThrow()
})

test('a relay proves itself by a circuit from this node to itself that arrives, whatever it makes of the refusal', async () => {
  const { asking, connection } = client((request) => {
    expect(request).toEqual(Buffer.from(connectRequest(peerIdFromString(own).toMultihash().bytes)))
    expect(asking.offered(relayId, own)).toBe(true)
    return answerOf(status.connectionFailed)
  })
  expect(await asking.prove(connection, signal)).toBe(true)
})

test.each([
  [status.ok, false],
  [status.noReservation, false],
  [status.connectionFailed, false],
  [status.resourceLimit, undefined],
])('a relay that answers with %i, and offers no circuit, has proved %s', async (code, proved) => {
  const { asking, connection } = client(() => answerOf(code))
  expect(await asking.prove(connection, signal)).toBe(proved)
})

test('a circuit from this node to itself counts for the relay that offers it, while it is asked for one', async () => {
  const other = '12D3KooWHHzSeKaY8xuZVzkLbKFfvNgPPeKhFBGrMbNzbm5akpqu'
  const { asking, connection } = client(() => {
    asking.offered(other, own)
    return answerOf(status.ok)
  })
  asking.offered(relayId, own)
  expect(await asking.prove(connection, signal)).toBe(false)
})

test('circuits of others are taken', () => {
  expect(client(() => undefined).asking.offered(relayId, relayId)).toBe(false)
})
