import { randomBytes } from 'node:crypto'
import { generateKeyPair, generateKeyPairFromSeed, publicKeyToProtobuf } from '@libp2p/crypto/keys'
import { StrictSign } from '@libp2p/gossipsub'
import { RPC } from '@libp2p/gossipsub/message'
import { PublishConfigType } from '@libp2p/gossipsub/types'
import type { PrivateKey } from '@libp2p/interface'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
// gossipsub exports neither; nothing else says so well what the network signs and accepts.
import { buildRawMessage, validateToRawMessage } from '../../node_modules/@libp2p/gossipsub/dist/src/utils/buildRawMessage.js'
import { gossipOptions } from '../../src/engine/libp2p/gossip/gossip-options.ts'
import { defaultLimits } from '../../src/limits.ts'
import { createAuthors, verifyBeside } from '../../src/model/authors.ts'
import {
  checkSignature,
  createMessageSigner,
  messageId,
  peerIdBytes,
  type SignedMessage,
  sequenceBytes,
  sequenceNumber,
  signedBytes,
  verifyMessage,
} from '../../src/model/signed-message.ts'

const keyTypes = ['Ed25519', 'secp256k1', 'RSA'] as const
const keys: Record<(typeof keyTypes)[number], PrivateKey> = {
  Ed25519: await generateKeyPair('Ed25519'),
  secp256k1: await generateKeyPair('secp256k1'),
  RSA: await generateKeyPair('RSA', 2048),
}
const seed = randomBytes(32)
const ourKey = await generateKeyPairFromSeed('Ed25519', seed)
const us = peerIdFromPrivateKey(ourKey).toString()
const signer = createMessageSigner(us, seed)

const sequences = fc.oneof(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), fc.constantFrom(0n, 1n, 2n ** 63n, 2n ** 64n - 1n))
const topics = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 60 })
/** Up to where a length takes one, two and three bytes. */
const payloads = fc.oneof(
  fc.uint8Array({ maxLength: 300 }),
  fc.constantFrom(0, 1, 127, 128, 16_383, 16_384).map((length) => new Uint8Array(length).fill(7)),
)

/** What the network carries of a message; the key, as gossipsub sends it, even where the peer id contains it. */
function toRaw(message: SignedMessage): RPC.Message {
  return {
    from: peerIdBytes(message.from),
    ...(message.dataAbsent === true ? {} : { data: message.data }),
    seqno: message.sequence,
    topic: message.topic,
    signature: message.signature,
    ...(message.publicKey === undefined ? {} : { key: message.publicKey }),
  }
}

function isAcceptedByGossipsub(message: SignedMessage): Promise<boolean> {
  return validateToRawMessage(StrictSign, toRaw(message)).then(({ valid }) => valid)
}

/** A message that gossipsub itself built and signed. */
async function ofGossipsub(key: PrivateKey, topic: string, data: Uint8Array): Promise<SignedMessage> {
  const author = peerIdFromPrivateKey(key)
  const config = { type: PublishConfigType.Signing, author, key: publicKeyToProtobuf(key.publicKey), privateKey: key } as const
  const { raw } = await buildRawMessage(config, topic, data, data)
  if (raw.seqno == null || raw.signature == null || raw.key == null) throw new Error('gossipsub signed nothing')
  return { from: author.toString(), sequence: raw.seqno, topic, data, signature: raw.signature, publicKey: raw.key }
}

/** A message signed by a key of any type, over the bytes that gossipsub's own encoder makes of it. */
async function signedBy(key: PrivateKey, fields: { sequence: Uint8Array; topic: string; data?: Uint8Array }): Promise<SignedMessage> {
  const { sequence, topic, data } = fields
  const author = peerIdFromPrivateKey(key)
  return {
    from: author.toString(),
    sequence,
    topic,
    data: data ?? new Uint8Array(0),
    ...(data === undefined ? { dataAbsent: true } : {}),
    signature: await key.sign(encodedByGossipsub(author.toMultihash().bytes, fields)),
    publicKey: publicKeyToProtobuf(key.publicKey),
  }
}

function encodedByGossipsub(from: Uint8Array, fields: { sequence: Uint8Array; topic: string; data?: Uint8Array }): Uint8Array {
  const { sequence: seqno, topic, data } = fields
  return Buffer.concat([Buffer.from('libp2p-pubsub:'), RPC.Message.encode({ from, seqno, topic, ...(data === undefined ? {} : { data }) })])
}

const authors = createAuthors()

/** On the event loop and beside it, which say the same. */
async function verified(message: SignedMessage): Promise<boolean> {
  const isIntact = await verifyMessage(message)
  expect(await verifyBeside(authors, message)).toBe(isIntact)
  return isIntact
}

describe('what we sign', () => {
  test('gossipsub accepts and reads back, and we verify ourselves', async () => {
    await fc.assert(
      fc.asyncProperty(sequences, topics, payloads, async (sequence, topic, data) => {
        const message = signer.sign(sequence, topic, data)
        expect(await validateToRawMessage(StrictSign, toRaw(message))).toMatchObject({
          valid: true,
          message: { type: 'signed', from: peerIdFromPrivateKey(ourKey), sequenceNumber: sequence, topic, data },
        })
        expect(await verified(message)).toBe(true)
        expect(message).toEqual({ from: us, sequence: sequenceBytes(sequence), topic, data, signature: expect.anything() })
      }),
    )
  })

  test('is the encoding of gossipsub, for any author, with data, with empty data and without', () => {
    const data = fc.option(payloads, { nil: undefined })
    const author = fc.constantFrom(...Object.values(keys)).map(peerIdFromPrivateKey)
    fc.assert(
      fc.property(author, sequences, topics, data, (peerId, number, topic, payload) => {
        const sequence = sequenceBytes(number)
        const message = { from: peerId.toString(), sequence, topic, data: payload ?? new Uint8Array(0), dataAbsent: payload === undefined }
        const fields = { sequence, topic, ...(payload === undefined ? {} : { data: payload }) }
        expect(Buffer.from(signedBytes(message))).toEqual(encodedByGossipsub(peerId.toMultihash().bytes, fields))
      }),
    )
  })

  test('is of the given seed: the signature is that of the key in the peer id', async () => {
    const message = signer.sign(1n, 'orders', Buffer.from('a'))
    expect(Buffer.from(message.signature)).toEqual(Buffer.from(await ourKey.sign(signedBytes(message))))
    expect(await verified(createMessageSigner(us, randomBytes(32)).sign(1n, 'orders', Buffer.from('a')))).toBe(false)
  })
})

describe.each(keyTypes)('what a %s key signs', (type) => {
  const key = keys[type]

  test('in gossipsub verifies, with the key beside it and, where the peer id contains it, without', async () => {
    await fc.assert(
      fc.asyncProperty(topics, payloads, async (topic, data) => {
        const message = await ofGossipsub(key, topic, data)
        expect(await verified(message)).toBe(true)
        const { publicKey: _, ...bare } = message
        expect(await verified(bare)).toBe(type !== 'RSA')
      }),
      { numRuns: 25 },
    )
  })

  test('does not verify with any byte of it changed', async () => {
    const fields = fc.record({
      sequence: sequences.map(sequenceBytes),
      topic: topics,
      data: fc.uint8Array({ minLength: 1, maxLength: 60 }),
    })
    const change = fc.record({
      field: fc.constantFrom('data', 'topic', 'sequence', 'from', 'signature', 'publicKey'),
      at: fc.nat(),
      flip: fc.integer({ min: 1, max: 255 }),
    })
    await fc.assert(
      fc.asyncProperty(fields, change, async (of, { field, at, flip }) => {
        const message = await signedBy(key, of)
        expect(await verified(message)).toBe(true)
        const changed = { ...message, ...changedField(message, field, at, flip) }
        fc.pre(changed.topic !== message.topic || field !== 'topic')
        expect(await verified(changed)).toBe(false)
        if (field !== 'from') expect(await isAcceptedByGossipsub(changed)).toBe(false)
      }),
      { numRuns: 150 },
    )
  })

  test('with no data verifies only as that, and with empty data only as that', async () => {
    const sequence = sequenceBytes(7n)
    const absent = await signedBy(key, { sequence, topic: 'orders' })
    const empty = await signedBy(key, { sequence, topic: 'orders', data: new Uint8Array(0) })
    const { dataAbsent: _, ...absentAsEmpty } = absent
    expect(await Promise.all([absent, empty, absentAsEmpty, { ...empty, dataAbsent: true }].map(verifyMessage))).toEqual([
      true,
      true,
      false,
      false,
    ])
    expect(await Promise.all([absent, empty].map(isAcceptedByGossipsub))).toEqual([true, true])
  })

  test('does not verify as the message of another, with whosever key beside it', async () => {
    const message = await signedBy(key, { sequence: sequenceBytes(7n), topic: 'orders', data: Buffer.from('a') })
    const others = [...Object.values(keys).filter((one) => one !== key), ourKey]
    for (const other of others) {
      const from = peerIdFromPrivateKey(other).toString()
      const publicKey = publicKeyToProtobuf(other.publicKey)
      expect(await verified({ ...message, from })).toBe(false)
      expect(await verified({ ...message, publicKey })).toBe(false)
      expect(await verified({ ...message, from, publicKey })).toBe(false)
    }
  })

  test('does not verify when its signer says that it is of another, with their own key beside it', async () => {
    for (const victim of [...Object.values(keys).filter((one) => one !== key), ourKey].map((other) => peerIdFromPrivateKey(other))) {
      const fields = { sequence: sequenceBytes(7n), topic: 'orders', data: Buffer.from('a') }
      const signature = await key.sign(encodedByGossipsub(victim.toMultihash().bytes, fields))
      const forged = { ...fields, from: victim.toString(), signature, publicKey: publicKeyToProtobuf(key.publicKey) }
      expect(await verified(forged)).toBe(false)
    }
  })

  test('has for its id the bytes of from and the 8 of the sequence', async () => {
    const { msgIdFn } = gossipOptions(defaultLimits)
    const message = await ofGossipsub(key, 'orders', Buffer.from('a'))
    const raw = toRaw(message)
    const validated = await validateToRawMessage(StrictSign, raw)
    if (!validated.valid || msgIdFn === undefined || raw.from == null || raw.seqno == null) throw new Error('gossipsub refused its own')
    expect(Buffer.from(await msgIdFn(validated.message))).toEqual(Buffer.concat([raw.from, raw.seqno]))
    expect(messageId(message.from, message.sequence)).toBe(
      `${peerIdFromPrivateKey(key)}.${BigInt(`0x${Buffer.from(raw.seqno).toString('hex')}`)}`,
    )
  })
})

test.each([
  ['no signature', { signature: new Uint8Array(0) }],
  ['a signature too short', { signature: new Uint8Array(63) }],
  ['a signature too long', { signature: new Uint8Array(65) }],
  ['a key that is none', { publicKey: Buffer.from('no key') }],
  ['an empty key', { publicKey: new Uint8Array(0) }],
  ['its key and something more', { publicKey: Buffer.concat([publicKeyToProtobuf(ourKey.publicKey), Buffer.from([0x1a, 1, 7])]) }],
  ['its author in another spelling', { from: peerIdFromPrivateKey(ourKey).toCID().toString() }],
  ['no author', { from: '' }],
  ['an author that is none', { from: 'me' }],
  ['an author whose id contains no key', { from: 'QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N' }],
])('a message with %s is not verified, and no error thrown', async (_, fields) => {
  const message = signer.sign(1n, 'orders', Buffer.from('a'))
  expect(await verified(message)).toBe(true)
  expect(await verified({ ...message, ...fields })).toBe(false)
})

test('a message without data is not verified with some, which nobody has signed', async () => {
  const absent = await signedBy(ourKey, { sequence: sequenceBytes(1n), topic: 'orders' })
  expect(await verified({ ...absent, data: new Uint8Array(0), dataAbsent: true })).toBe(true)
  expect(await verified({ ...absent, data: Buffer.from('x'), dataAbsent: true })).toBe(false)
})

test.each([0, 7, 9])(
  'a message with a sequence of %i bytes is not verified, as in gossipsub, though its author signed it',
  async (length) => {
    const message = await signedBy(ourKey, { sequence: new Uint8Array(length).fill(1), topic: 'orders', data: Buffer.from('a') })
    expect(await isAcceptedByGossipsub(message)).toBe(false)
    expect(await verified(message)).toBe(false)
  },
)

test('an Ed25519 signature is checked at once, others when their time comes', async () => {
  expect(checkSignature(signer.sign(1n, 'orders', Buffer.from('a')))).toBe(true)
  const rsa = checkSignature(await ofGossipsub(keys.RSA, 'orders', Buffer.from('a')))
  expect(await rsa).toBe(true)
})

test('a sequence number comes back from its 8 bytes, big endian, also out of a larger buffer', () => {
  fc.assert(
    fc.property(sequences, fc.nat({ max: 9 }), (sequence, offset) => {
      const bytes = sequenceBytes(sequence)
      expect(Buffer.from(bytes).toString('hex')).toBe(sequence.toString(16).padStart(16, '0'))
      const frame = Buffer.concat([randomBytes(offset), bytes, randomBytes(3)])
      expect(sequenceNumber(frame.subarray(offset, offset + 8))).toBe(sequence)
    }),
  )
})

test('two messages have the same id exactly when author and sequence are the same', () => {
  const authors = fc.constantFrom(...Object.values(keys).map((key) => peerIdFromPrivateKey(key).toString()))
  fc.assert(
    fc.property(authors, authors, sequences, sequences, (one, other, first, second) => {
      const same = messageId(one, sequenceBytes(first)) === messageId(other, sequenceBytes(second))
      expect(same).toBe(one === other && first === second)
    }),
  )
})

/** The message's field with one byte changed; a peer id or topic that its bytes no longer make is written as they would be read. */
function changedField(message: SignedMessage, field: string, at: number, flip: number): Partial<SignedMessage> {
  const changed = (bytes: Uint8Array, first = 0) => {
    const place = first + (at % (bytes.length - first))
    return bytes.map((byte, index) => (index === place ? byte ^ flip : byte))
  }
  switch (field) {
    case 'topic':
      return { topic: Buffer.from(changed(Buffer.from(message.topic))).toString() }
    case 'from':
      return { from: changedLetter(message.from, at, flip) }
    case 'data':
      return { data: changed(message.data) }
    case 'sequence':
      return { sequence: changed(message.sequence) }
    case 'signature':
      return { signature: changed(message.signature) }
    default:
      // Behind the key's type and the tags of the protobuf, whose wire types libp2p does not look at.
      return { publicKey: changed(message.publicKey ?? new Uint8Array(0), 3) }
  }
}

const base58 = '123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz'

function changedLetter(text: string, at: number, by: number): string {
  const place = at % text.length
  const letter = base58[(base58.indexOf(text[place] ?? '') + 1 + (by % (base58.length - 1))) % base58.length]
  return text.slice(0, place) + letter + text.slice(place + 1)
}
