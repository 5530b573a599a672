import { generateKeyPair, publicKeyToProtobuf } from '@libp2p/crypto/keys'
import { peerIdFromPrivateKey, peerIdFromString } from '@libp2p/peer-id'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { ProtocolViolation } from '../../../../src/engine/custom/wire/frame-stream.ts'
import { decodeMessage, encodeMessage, type WireMessage } from '../../../../src/engine/custom/wire/pubsub-message.ts'
import { createAuthors } from '../../../../src/model/authors.ts'
import {
  createMessageSigner,
  type SignedMessage,
  sequenceBytes,
  signaturePrefix,
  signedBytes,
} from '../../../../src/model/signed-message.ts'
import { createMemoryIdentity } from '../../../fixtures/memory-identity.ts'

const identity = await createMemoryIdentity(new Uint8Array(32).fill(7))
const signer = createMessageSigner(identity.peerId, identity.seed)
const message = signer.sign(1n << 63n, 'orders', Buffer.from('hello'))

async function isSigned({ from, key, signed, signature }: WireMessage): Promise<boolean | undefined> {
  return await createAuthors()
    .find(from, key)
    ?.verify(Buffer.concat([signaturePrefix, signed]), signature)
}

const messages = fc
  .record({
    sequence: fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }),
    topic: fc.string({ minLength: 1, maxLength: 60, unit: 'grapheme' }).filter((topic) => topic.isWellFormed()),
    data: fc.uint8Array({ maxLength: 300 }),
  })
  .map(({ sequence, topic, data }) => signer.sign(sequence, topic, data))

test('comes back as it was sent, with its author, and verifies', async () => {
  await fc.assert(
    fc.asyncProperty(messages, async (sent) => {
      const wire = decodeMessage(encodeMessage(sent))
      expect(createAuthors().find(wire.from)?.peerId).toBe(sent.from)
      expect(wire).toMatchObject({ topic: sent.topic, dataAbsent: false })
      expect([...wire.data]).toEqual([...sent.data])
      expect([...wire.sequence]).toEqual([...sent.sequence])
      expect(await isSigned(wire)).toBe(true)
    }),
    { numRuns: 50 },
  )
})

test('tells absent data from empty data', () => {
  const absent: SignedMessage = { ...message, data: new Uint8Array(), dataAbsent: true }
  expect(decodeMessage(encodeMessage(absent)).dataAbsent).toBe(true)
  expect(decodeMessage(encodeMessage({ ...message, data: new Uint8Array() })).dataAbsent).toBe(false)
})

test('verifies nothing but what the author signed', async () => {
  const bytes = encodeMessage(message)
  for (let at = 0; at < bytes.length; at++) {
    const altered = Buffer.from(bytes)
    altered.writeUInt8(bytes.readUInt8(at) ^ 1, at)
    let wire: ReturnType<typeof decodeMessage>
    try {
      wire = decodeMessage(altered)
    } catch (error) {
      expect(error).toBeInstanceOf(ProtocolViolation)
      continue
    }
    // Other bytes may name another author, of whom no key is known.
    expect((await isSigned(wire)) ?? false).toBe(false)
  }
})

test('has one spelling: refuses what is cut off, followed by something, or spelt otherwise', () => {
  const bytes = encodeMessage(message)
  for (let end = 0; end < bytes.length; end++) expect(() => decodeMessage(bytes.subarray(0, end))).toThrow(ProtocolViolation)
  expect(() => decodeMessage(Buffer.concat([bytes, Buffer.of(0)]))).toThrow(ProtocolViolation)
  // The length of the first field, 38, in two bytes.
  const longer = Buffer.concat([bytes.subarray(0, 1), Buffer.of(0x80 | 38, 0), bytes.subarray(2)])
  expect(() => decodeMessage(longer)).toThrow(ProtocolViolation)
})

test('refuses any other bytes by name', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
      expect(() => decodeMessage(Buffer.from(bytes))).toThrow(ProtocolViolation)
    }),
  )
})

test('refuses lengths that lie', () => {
  const bytes = encodeMessage(message)
  fc.assert(
    fc.property(fc.nat({ max: bytes.length - 1 }), fc.uint8Array({ minLength: 1, maxLength: 6 }), (at, lie) => {
      const altered = Buffer.from(bytes)
      altered.set(lie.subarray(0, bytes.length - at), at)
      try {
        decodeMessage(altered)
      } catch (error) {
        expect(error).toBeInstanceOf(ProtocolViolation)
      }
    }),
  )
})

test.each(['RSA', 'secp256k1'] as const)(
  'carries the messages of %s authors unchanged, with the key where the peer id is a hash',
  async (type) => {
    const privateKey = await generateKeyPair(type)
    const author = peerIdFromPrivateKey(privateKey)
    const unsigned = { from: author.toString(), sequence: sequenceBytes(7n), topic: 'orders', data: Buffer.from('hello') }
    const signature = await privateKey.sign(signedBytes(unsigned))
    const publicKey = publicKeyToProtobuf(privateKey.publicKey)
    const bytes = encodeMessage({ ...unsigned, signature, publicKey })
    const wire = decodeMessage(bytes)
    expect(await isSigned(wire)).toBe(true)
    expect(wire.key === undefined ? undefined : [...wire.key]).toEqual(type === 'RSA' ? [...publicKey] : undefined)
    expect([...wire.signature]).toEqual([...signature])
    if (type === 'RSA') expect(() => decodeMessage(encodeMessage({ ...unsigned, signature }))).toThrow(ProtocolViolation)
    const long = { ...unsigned, signature: new Uint8Array(1_025), publicKey }
    expect(() => decodeMessage(encodeMessage(long))).toThrow(ProtocolViolation)
    const large = { ...unsigned, signature, publicKey: new Uint8Array(2_049) }
    if (type === 'RSA') expect(() => decodeMessage(encodeMessage(large))).toThrow(ProtocolViolation)
  },
)

test('an Ed25519 author sends no key', () => {
  const bytes = encodeMessage(message)
  const { publicKey } = peerIdFromString(identity.peerId)
  if (publicKey === undefined) throw new Error('the peer id contains no key')
  const key = publicKeyToProtobuf(publicKey)
  expect(() => decodeMessage(Buffer.concat([bytes, Buffer.of(0x32, key.length), key]))).toThrow(ProtocolViolation)
})
