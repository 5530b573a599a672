import { createHash, randomBytes } from 'node:crypto'
import { generateKeyPair, publicKeyToProtobuf } from '@libp2p/crypto/keys'
import { StrictSign } from '@libp2p/gossipsub'
import { RPC } from '@libp2p/gossipsub/message'
import { MessageStatus, RejectReason, ValidateError } from '@libp2p/gossipsub/types'
import type { PrivateKey } from '@libp2p/interface'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { describe, expect, test, vi } from 'vitest'
// gossipsub exports it from nowhere; nothing else says so well what the network accepts.
import { validateToRawMessage } from '../../../node_modules/@libp2p/gossipsub/dist/src/utils/buildRawMessage.js'
import { createInboundBudget } from '../../../src/engine/inbound-budget.ts'
import type { GossipInternals } from '../../../src/engine/libp2p/gossip/gossip-internals.ts'
import { verifyGossip } from '../../../src/engine/libp2p/gossip/verify-gossip.ts'
import { createTrafficCounter } from '../../../src/engine/peer-traffic.ts'
import type { SignedMessage } from '../../../src/model/signed-message.ts'
import type { Verdict } from '../../../src/model/verdict.ts'
import { field } from '../../fixtures/protobuf.ts'

const keys: Record<string, PrivateKey> = {
  Ed25519: await generateKeyPair('Ed25519'),
  secp256k1: await generateKeyPair('secp256k1'),
  RSA: await generateKeyPair('RSA', 2048),
}
const links = await Promise.all([1, 2].map(async () => peerIdFromPrivateKey(await generateKeyPair('Ed25519'))))
const [one, other] = links
if (one === undefined || other === undefined) throw new Error('no links')

interface Signed extends RPC.Message {
  from: Uint8Array
  data: Uint8Array
  seqno: Uint8Array
  signature: Uint8Array
  key: Uint8Array
}

async function signedBy(key: PrivateKey, text: string | undefined, fields: Partial<RPC.Message> = {}): Promise<Signed> {
  const unsigned = {
    from: key.publicKey.toMultihash().bytes,
    ...(text === undefined ? {} : { data: Buffer.from(text) }),
    seqno: randomBytes(8),
    topic: 'orders',
    ...fields,
  }
  const signature = await key.sign(Buffer.concat([Buffer.from('libp2p-pubsub:'), RPC.Message.encode(unsigned)]))
  return { ...unsigned, data: Buffer.from(text ?? ''), signature, key: publicKeyToProtobuf(key.publicKey) }
}

const withoutKey = ({ key: _key, ...message }: Signed): RPC.Message => message
const changed = (bytes: Uint8Array, at: number) => bytes.map((byte, index) => (index === at ? byte ^ 1 : byte))

/** The parts of gossipsub that are used, with everything that is judged, in order. */
function verifier(verdict: Verdict = 'accept', maxInboxBytes = 100_000_000) {
  const seen = new Set<string>()
  const judged: SignedMessage[] = []
  const held = new Map<unknown, number>()
  const internals: Parameters<typeof verifyGossip>[0] = {
    seenCache: { has: (id) => seen.has(id), put: (id) => seen.size === seen.add(id).size },
    opts: { idontwantMinDataSize: 512 },
    msgIdToStrFn: (id) => Buffer.from(id).toString('hex'),
    sendIDontWants: vi.fn<GossipInternals['sendIDontWants']>(),
    validateReceivedMessage: () => Promise.reject(new Error('not replaced')),
  }
  const hold = (source: unknown, bytes: number) => held.set(source, (held.get(source) ?? 0) + bytes)
  const budget = createInboundBudget({ limits: { maxInboxBytes, maxTopicInboxBytes: maxInboxBytes } })
  const linkOf = (source: unknown) => ({
    enter(dataBytes: number) {
      const message = budget.enter(dataBytes, (bytes) => hold(source, -bytes))
      hold(source, message?.bytes ?? 0)
      return message
    },
  })
  const gate = {
    async judge(message: SignedMessage) {
      judged.push(message)
      return verdict
    },
    dropped: 0,
  }
  verifyGossip(internals, { gate, linkOf, traffic: createTrafficCounter({ isLinked: () => true }) })
  return { internals, judged, held, receive: internals.validateReceivedMessage }
}

const invalid = (error: ValidateError) => ({ code: MessageStatus.invalid, reason: RejectReason.Error, error })

describe.each(Object.entries(keys))('a message of an author with a key of %s', (type, key) => {
  const isInlined = type !== 'RSA'

  test('is judged and told as gossipsub tells it, with its key and without where the peer id contains it, also when the author is known', async () => {
    const { receive, judged } = verifier()
    for (const text of ['first', 'second']) {
      for (const message of [await signedBy(key, text), withoutKey(await signedBy(key, text))]) {
        const expected = await validateToRawMessage(StrictSign, message)
        const result = await receive(one, message)
        if (expected.valid) {
          const { type, topic, data } = expected.message
          expect(result).toMatchObject({ code: MessageStatus.valid, msg: { type, topic, data } })
          expect(judged.at(-1)).toEqual({
            from: key.publicKey.toString(),
            sequence: new Uint8Array(message.seqno ?? []),
            topic: 'orders',
            data: new Uint8Array(message.data ?? []),
            signature: new Uint8Array(message.signature ?? []),
            ...(isInlined ? {} : { publicKey: publicKeyToProtobuf(key.publicKey) }),
          })
        } else expect(result).toEqual(invalid(expected.error))
      }
    }
    expect(judged.length).toBe(isInlined ? 4 : 2)
  })

  test('is refused with the error of gossipsub, and scored so, whatever of it is wrong', async () => {
    const { receive, judged } = verifier()
    const message = await signedBy(key, 'x'.repeat(600))
    const [stranger] = Object.entries(keys).flatMap(([name, strange]) => (name === type ? [] : strange))
    const strangersKey = publicKeyToProtobuf((stranger ?? key).publicKey)
    const wrong: RPC.Message[] = [
      ...[...message.signature.keys()].map((at) => ({ ...message, signature: changed(message.signature, at) })),
      { ...message, signature: message.signature.subarray(1) },
      { ...message, signature: new Uint8Array(0) },
      { ...message, signature: Buffer.concat([message.signature, Buffer.of(0)]) },
      { ...message, data: changed(message.data, 0) },
      { ...message, topic: 'news' },
      { ...message, seqno: changed(message.seqno, 0) },
      { ...message, seqno: message.seqno.subarray(1) },
      { ...message, key: strangersKey },
      { ...message, key: message.key.subarray(1) },
      { ...message, key: new Uint8Array(0) },
      { ...message, from: new Uint8Array(0) },
      { ...message, from: changed(message.from, message.from.length - 1) },
      ...(['from', 'seqno', 'signature', 'data'] as const).map((part) => {
        const { [part]: _part, ...rest } = message
        return rest
      }),
    ]
    for (const each of wrong) {
      const expected = await validateToRawMessage(StrictSign, each)
      if (expected.valid) throw new Error('gossipsub takes it')
      expect(await receive(one, each)).toEqual(invalid(expected.error))
    }
    expect(judged).toEqual([])
    expect(await receive(one, message)).toMatchObject({ code: MessageStatus.valid })
    expect(judged.length).toBe(1)
  })

  test('may have its key spelt otherwise', async () => {
    const { receive } = verifier()
    const message = await signedBy(key, 'x')
    const longer = { ...message, key: Buffer.concat([message.key, field(9, 'more')]) }
    expect(await validateToRawMessage(StrictSign, longer)).toMatchObject({ valid: true })
    expect(await receive(one, longer)).toMatchObject({ code: MessageStatus.valid })
    expect(await receive(one, await signedBy(key, 'y'))).toMatchObject({ code: MessageStatus.valid })
  })
})

test('an author with a key of ECDSA has no peer id in JavaScript', async () => {
  const message = await signedBy(await generateKeyPair('ECDSA'), 'x')
  expect(await validateToRawMessage(StrictSign, message)).toEqual({ valid: false, error: ValidateError.InvalidPeerId })
  expect(await verifier().receive(one, message)).toEqual(invalid(ValidateError.InvalidPeerId))
})

test('of the two signatures that a number of secp256k1 allows only the smaller is one', async () => {
  const { receive } = verifier()
  const order = BigInt('0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141')
  const message = await signedBy(keys.secp256k1 ?? (await generateKeyPair('secp256k1')), 'x')
  const { signature } = message
  const r = Buffer.from(signature.subarray(4, 4 + (signature[3] ?? 0)))
  const s = BigInt(`0x${Buffer.from(signature.subarray(6 + r.length)).toString('hex')}`)
  // Above half of the order, so a zero in front.
  const larger = Buffer.concat([Buffer.of(0), Buffer.from((order - s).toString(16).padStart(64, '0'), 'hex')])
  const numbers = Buffer.concat([Buffer.of(2, r.length), r, Buffer.of(2, larger.length), larger])
  const malleated = { ...message, signature: Buffer.concat([Buffer.of(0x30, numbers.length), numbers]) }
  expect(await validateToRawMessage(StrictSign, malleated)).toEqual({ valid: false, error: ValidateError.InvalidSignature })
  expect(await receive(one, malleated)).toEqual(invalid(ValidateError.InvalidSignature))
})

const author = keys.Ed25519 ?? (await generateKeyPair('Ed25519'))

test('an author has one spelling: another, signed as such, could be verified by nobody who reads our log', async () => {
  const { receive } = verifier()
  const from = peerIdFromPrivateKey(author).toMultihash().bytes
  const more = field(9, 'more')
  const otherwise = Buffer.concat([Buffer.of(0, 36 + more.length), from.subarray(2), more])
  expect(await receive(one, await signedBy(author, 'x', { from: otherwise }))).toEqual(invalid(ValidateError.InvalidPeerId))
})

test('absent data is told apart from empty data', async () => {
  const { receive, judged } = verifier()
  const { data: _data, ...absent } = await signedBy(author, undefined)
  await receive(one, absent)
  await receive(one, await signedBy(author, ''))
  expect(judged).toMatchObject([{ data: new Uint8Array(0), dataAbsent: true }, { data: new Uint8Array(0) }])
  expect(judged[1]).not.toHaveProperty('dataAbsent')
})

test.each<[string, (message: Signed) => RPC.Message]>([
  ['data', (message) => ({ ...message, data: Buffer.from('forged') })],
  ['signature', (message) => ({ ...message, signature: changed(message.signature, 40) })],
])(
  'a forgery of the %s shuts nothing out, whether it comes before the true message, while that is verified, or after it',
  async (_, forge) => {
    const { receive, judged } = verifier()
    const message = await signedBy(author, 'true')
    const forged = forge(message)
    const results = await Promise.all([forged, message, forged, message].map((each, index) => receive(index < 3 ? other : one, each)))
    const codes = results.map(({ code }) => code)
    expect([codes[0], codes[2]]).toEqual(['invalid', 'invalid'])
    // Of the copies of two links either may be the first.
    expect([codes[1], codes[3]].toSorted()).toEqual(['duplicate', 'valid'])
    expect(judged.map(({ data }) => Buffer.from(data).toString())).toEqual(['true'])
    // What is known costs no verification, and is no news whatever it says.
    expect(await receive(other, forged)).toMatchObject({ code: MessageStatus.duplicate })
  },
)

test('copies of a forgery that come while it is verified count against each peer that brought one', async () => {
  const { receive } = verifier()
  const message = await signedBy(author, 'true')
  const forged = { ...message, data: Buffer.from('forged') }
  expect(await Promise.all([receive(one, forged), receive(other, forged)])).toEqual([
    invalid(ValidateError.InvalidSignature),
    invalid(ValidateError.InvalidSignature),
  ])
})

test('messages of a link are judged in the order in which they came, however long each is verified', async () => {
  const { receive, judged, held } = verifier()
  // What is known of authors is no part of the wait.
  for (const key of Object.values(keys)) await receive(one, await signedBy(key, 'first'))
  judged.length = 0
  const large = await signedBy(author, 'x'.repeat(10_000_000))
  const small = await Promise.all(Object.values(keys).map((key, index) => signedBy(key, `${index}`)))
  const all = [large, ...small].map((each) => receive(one, each))
  expect(held.get(one)).toBeGreaterThan(10_000_000)
  await Promise.all(all)
  expect(judged.map(({ data }) => data.length)).toEqual([10_000_000, 1, 1, 1])
  expect(judged.slice(1).map(({ data }) => Buffer.from(data).toString())).toEqual(['0', '1', '2'])
  expect(held.get(one)).toBe(0)
})

test('a message for which there is no room is ignored before it is verified, and stays unknown', async () => {
  const { receive, judged } = verifier('accept', 1_000)
  const message = await signedBy(author, 'x'.repeat(400))
  const [first, second] = await Promise.all([receive(one, message), receive(other, await signedBy(author, 'x'.repeat(400)))])
  expect(first).toMatchObject({ code: MessageStatus.valid })
  expect(second).toMatchObject({ code: MessageStatus.invalid, reason: RejectReason.Ignore })
  expect(judged).toHaveLength(1)
  expect(await receive(one, await signedBy(author, 'x'.repeat(400)))).toMatchObject({ code: MessageStatus.valid })
})

test.each(['ignore', 'reject'] as const)('what is judged "%s" is known, and told so', async (verdict) => {
  const { receive } = verifier(verdict)
  const message = await signedBy(author, 'x')
  expect(await receive(one, message)).toMatchObject({ code: MessageStatus.invalid, reason: verdict, msgIdStr: expect.any(String) })
  expect(await receive(one, message)).toMatchObject({ code: MessageStatus.duplicate })
})

test('who has not sent a large message is told that it need not', async () => {
  const { receive, internals } = verifier()
  await receive(one, await signedBy(author, 'x'.repeat(511)))
  expect(internals.sendIDontWants).not.toHaveBeenCalled()
  await receive(one, await signedBy(author, 'x'.repeat(512)))
  expect(internals.sendIDontWants).toHaveBeenCalledWith(expect.anything(), 'orders', one.toString())
})

/** A signature with the neutral element as R, which Go's and Rust's libp2p take: S·B = h·A (RFC 8032 §5.1.7). */
function withSmallR(key: PrivateKey, bytes: Uint8Array): Buffer {
  const order = 2n ** 252n + 27_742_317_777_372_353_535_851_937_790_883_648_493n
  const number = (littleEndian: Uint8Array) => BigInt(`0x${Buffer.from(littleEndian).reverse().toString('hex')}`)
  const sha512 = (...parts: Uint8Array[]) => createHash('sha512').update(Buffer.concat(parts)).digest()
  const secret = sha512(key.raw.subarray(0, 32)).subarray(0, 32)
  secret.writeUInt8(secret.readUInt8(0) & 248, 0)
  secret.writeUInt8((secret.readUInt8(31) & 63) | 64, 31)
  const r = Buffer.alloc(32)
  r.writeUInt8(1)
  const s = (number(sha512(r, key.publicKey.raw, bytes)) * number(secret)) % order
  return Buffer.concat([r, Buffer.from(s.toString(16).padStart(64, '0'), 'hex').reverse()])
}

test('a signature that other implementations take and we do not is no offence of the peer that forwards it', async () => {
  const { receive, judged } = verifier()
  const key = keys['Ed25519'] as PrivateKey
  const { signature: _signature, key: _key, ...unsigned } = await signedBy(key, 'odd')
  const signature = withSmallR(key, Buffer.concat([Buffer.from('libp2p-pubsub:'), RPC.Message.encode(unsigned)]))
  expect(await receive(one, { ...unsigned, signature })).toMatchObject({ code: MessageStatus.invalid, reason: RejectReason.Ignore })
  expect(judged).toEqual([])
})
