import { generateKeyPairSync } from 'node:crypto'
import { generateKeyPairFromSeed, publicKeyToProtobuf } from '@libp2p/crypto/keys'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createCipherState, DecryptionFailed } from '../../../../src/engine/custom/noise/cipher-state.ts'
import { createHandshake, type Handshake, HandshakeFailed, type HandshakeInit } from '../../../../src/engine/custom/noise/handshake.ts'
import { encodeIdentity, verifyIdentity } from '../../../../src/engine/custom/noise/identity-payload.ts'
import { generateKeyPair, sharedSecret } from '../../../../src/engine/custom/noise/x25519.ts'
import { createMemoryIdentity } from '../../../fixtures/memory-identity.ts'

const [alice, bob, carol] = await Promise.all([1, 2, 3].map((byte) => createMemoryIdentity(new Uint8Array(32).fill(byte))))
if (alice === undefined || bob === undefined || carol === undefined) throw new Error('no identities')
const prologue = Buffer.from('test')

function initiator(init: Partial<HandshakeInit> = {}): Handshake {
  return createHandshake({ role: 'initiator', prologue, seed: alice?.seed ?? new Uint8Array(32), ...init })
}

function responder(init: Partial<HandshakeInit> = {}): Handshake {
  return createHandshake({ role: 'responder', prologue, seed: bob?.seed ?? new Uint8Array(32), ...init })
}

function next(handshake: Handshake): Buffer {
  const message = handshake.write()
  if (message === undefined) throw new Error('there is nothing to write')
  return message
}

/** Lets the two talk, each message through `change`. */
function talk(a: Handshake, b: Handshake, change: (message: Buffer, index: number) => Buffer = (message) => message) {
  b.read(change(next(a), 0))
  a.read(change(next(b), 1))
  b.read(change(next(a), 2))
  if (a.session === undefined || b.session === undefined) throw new Error('no session')
  return { a: a.session, b: b.session }
}

test('both ends know the other, and understand each other', () => {
  const { a, b } = talk(initiator(), responder())
  expect([a.remotePeerId, b.remotePeerId]).toEqual([bob.peerId, alice.peerId])
  expect(Buffer.from(a.handshakeHash)).toEqual(Buffer.from(b.handshakeHash))
  for (const text of ['one', 'two', '']) {
    expect(b.decrypt.decrypt(a.encrypt.encrypt(Buffer.from(text))).toString()).toBe(text)
    expect(a.decrypt.decrypt(b.encrypt.encrypt(Buffer.from(text))).toString()).toBe(text)
  }
})

test('each writes in its turn only, and there is no session before the end', () => {
  const [a, b] = [initiator(), responder()]
  expect(b.write()).toBeUndefined()
  const first = next(a)
  expect(a.write()).toBeUndefined()
  b.read(first)
  expect([a.session, b.session]).toEqual([undefined, undefined])
  expect(() => b.read(first)).toThrow(HandshakeFailed)
})

test('nobody but the expected peer is accepted', () => {
  expect(talk(initiator({ expectedPeerId: bob.peerId }), responder()).a.remotePeerId).toBe(bob.peerId)
  expect(() => talk(initiator({ expectedPeerId: carol.peerId }), responder())).toThrow(`${bob.peerId} answered instead of ${carol.peerId}`)
  expect(() => talk(initiator(), responder({ expectedPeerId: carol.peerId }))).toThrow(HandshakeFailed)
})

test('another prologue fails', () => {
  expect(() => talk(initiator(), responder({ prologue: Buffer.from('other') }))).toThrow(HandshakeFailed)
})

test.each([0, 1, 2])('no byte of message %i can be changed, left out or added', (index) => {
  const length = { value: 1 }
  for (let at = 0; at < length.value; at++) {
    const flip = (message: Buffer, number: number) => {
      if (number !== index) return message
      length.value = message.length
      const changed = Buffer.from(message)
      changed.writeUInt8(message.readUInt8(at) ^ 1, at)
      return changed
    }
    expect(() => talk(initiator(), responder(), flip), `byte ${at}`).toThrow(HandshakeFailed)
  }
  const shorter = (message: Buffer, number: number) => (number === index ? message.subarray(0, -1) : message)
  const longer = (message: Buffer, number: number) => (number === index ? Buffer.concat([message, Buffer.of(0)]) : message)
  expect(() => talk(initiator(), responder(), shorter)).toThrow(HandshakeFailed)
  expect(() => talk(initiator(), responder(), longer)).toThrow(HandshakeFailed)
})

test('anything else that comes at any stage is refused by name', () => {
  const stages: Array<() => Handshake> = [
    () => responder(),
    () => {
      const a = initiator()
      a.write()
      return a
    },
    () => {
      const b = responder()
      b.read(next(initiator()))
      b.write()
      return b
    },
  ]
  fc.assert(
    fc.property(fc.nat({ max: stages.length - 1 }), fc.uint8Array({ maxLength: 300 }), (stage, bytes) => {
      // 32 bytes are a first message that nothing is wrong with.
      fc.pre(stage !== 0 || bytes.length !== 32)
      expect(() => stages[stage]?.().read(bytes)).toThrow(HandshakeFailed)
    }),
  )
})

test('a public key of small order, whose secret everybody knows, is refused', () => {
  expect(() => sharedSecret(generateKeyPair(), Buffer.alloc(32))).toThrow()
  expect(() => sharedSecret(generateKeyPair(), Buffer.concat([Buffer.of(1), Buffer.alloc(31)]))).toThrow()
})

describe('messages of a session', () => {
  test('can be taken once, and in their order only', () => {
    const { a, b } = talk(initiator(), responder())
    const [first, second] = [a.encrypt.encrypt(Buffer.from('1')), a.encrypt.encrypt(Buffer.from('2'))]
    expect(() => b.decrypt.decrypt(second)).toThrow(DecryptionFailed)
    expect(b.decrypt.decrypt(first).toString()).toBe('1')
    expect(() => b.decrypt.decrypt(first)).toThrow(DecryptionFailed)
    expect(b.decrypt.decrypt(second).toString()).toBe('2')
  })

  test('can be changed in no byte, nor be anything else', () => {
    const { a, b } = talk(initiator(), responder())
    const message = a.encrypt.encrypt(Buffer.from('hello'))
    for (let at = 0; at < message.length; at++) {
      const changed = Buffer.from(message)
      changed.writeUInt8(message.readUInt8(at) ^ 0x80, at)
      expect(() => b.decrypt.decrypt(changed)).toThrow(DecryptionFailed)
    }
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
        expect(() => b.decrypt.decrypt(bytes)).toThrow(DecryptionFailed)
      }),
    )
    expect(b.decrypt.decrypt(message).toString()).toBe('hello')
  })

  test('are understood after both ends took a new key, and not when one did', () => {
    const { a, b } = talk(initiator(), responder())
    a.encrypt.rekey()
    b.decrypt.rekey()
    expect(b.decrypt.decrypt(a.encrypt.encrypt(Buffer.from('new'))).toString()).toBe('new')
    a.encrypt.rekey()
    expect(() => b.decrypt.decrypt(a.encrypt.encrypt(Buffer.from('newer')))).toThrow(DecryptionFailed)
  })

  test('end before a number would come twice', () => {
    const cipher = createCipherState(Buffer.alloc(32), 0xffff_ffff_ffff_fffen)
    cipher.encrypt(Buffer.from('the last'))
    expect(() => cipher.encrypt(Buffer.from('one more'))).toThrow(/as much as it may/)
  })
})

describe('the identity in a payload', () => {
  const staticKey = generateKeyPair().publicKey

  test('is written as libp2p writes it', async () => {
    const key = await generateKeyPairFromSeed('Ed25519', alice.seed)
    const payload = encodeIdentity(alice.seed, staticKey)
    const signature = await key.sign(Buffer.concat([Buffer.from('noise-libp2p-static-key:'), staticKey]))
    expect(payload).toEqual(
      Buffer.concat([Buffer.of(0x0a, 36), publicKeyToProtobuf(key.publicKey), Buffer.of(0x12, 64), Buffer.from(signature)]),
    )
    expect(verifyIdentity(payload, staticKey)).toBe(alice.peerId)
  })

  test('is that of the static key and no other', () => {
    expect(() => verifyIdentity(encodeIdentity(alice.seed, staticKey), generateKeyPair().publicKey)).toThrow(/did not sign/)
  })

  test('may have extensions, and lacks nothing', () => {
    const payload = encodeIdentity(alice.seed, staticKey)
    expect(verifyIdentity(Buffer.concat([payload, Buffer.of(0x22, 2, 1, 2)]), staticKey)).toBe(alice.peerId)
    expect(() => verifyIdentity(payload.subarray(0, 38), staticKey)).toThrow(/did not sign/)
    expect(() => verifyIdentity(payload.subarray(38), staticKey)).toThrow(/no Ed25519/)
    expect(() => verifyIdentity(Buffer.concat([payload, payload]), staticKey)).toThrow(/twice/)
  })

  test('is an Ed25519 key', () => {
    const secp256k1 = generateKeyPairSync('ec', { namedCurve: 'secp256k1' }).publicKey.export({ format: 'der', type: 'spki' }).subarray(-65)
    const key = Buffer.concat([Buffer.of(0x08, 0x02, 0x12, 65), secp256k1])
    const payload = Buffer.concat([Buffer.of(0x0a, key.length), key, encodeIdentity(alice.seed, staticKey).subarray(38)])
    expect(() => verifyIdentity(payload, staticKey)).toThrow(/no Ed25519/)
  })

  test('is refused whatever else it is', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        expect(() => verifyIdentity(bytes, staticKey)).toThrow(Error)
      }),
    )
  })
})
