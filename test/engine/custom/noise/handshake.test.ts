import { generateKeyPairSync } from 'node:crypto'
import { generateKeyPairFromSeed, publicKeyToProtobuf } from '@libp2p/crypto/keys'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createCipherState, DecryptionFailed } from '../../../../src/engine/custom/noise/cipher-state.ts'
import { createHandshake, type Handshake, HandshakeFailed, type HandshakeInit } from '../../../../src/engine/custom/noise/handshake.ts'
import { encodeIdentity, verifyIdentity } from '../../../../src/engine/custom/noise/identity-payload.ts'
import { generateKeyPair, sharedSecret } from '../../../../src/lib/x25519.ts'
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

test('what comes later changes nothing in a message that was read', () => {
  const [a, b] = [initiator(), responder()]
  const first = next(a)
  b.read(first)
  first.fill(0)
  a.read(next(b))
  b.read(next(a))
  expect(b.session?.remotePeerId).toBe(alice.peerId)
})

test('a handshake that failed stays so', () => {
  const [a, b] = [initiator(), responder()]
  b.read(next(a))
  const second = next(b)
  expect(() => a.read(Buffer.alloc(second.length))).toThrow(HandshakeFailed)
  expect(() => a.read(second)).toThrow(/failed before/)
  expect([a.write(), a.session]).toEqual([undefined, undefined])
})

describe('a public key of small order, whose secret everybody knows,', () => {
  // All below 2^255 whose order divides 8, on the curve or its twist: 0, 1, two of order 8, p − 1, p and p + 1.
  const points = [
    '0000000000000000000000000000000000000000000000000000000000000000',
    '0100000000000000000000000000000000000000000000000000000000000000',
    'e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800',
    '5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157',
    'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
    'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
    'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  ].map((hex) => Buffer.from(hex, 'hex'))

  test.each(points)('gives no secret', (point) => {
    expect(() => sharedSecret(generateKeyPair(), point)).toThrow('a public key of small order')
  })

  test.each(points)('fails the handshake of either end', (point) => {
    const b = responder()
    b.read(point)
    expect(() => b.write()).toThrow(HandshakeFailed)
    expect([b.write(), b.session]).toEqual([undefined, undefined])

    const [a, other] = [initiator(), responder()]
    other.read(next(a))
    expect(() => a.read(Buffer.concat([point, next(other).subarray(32)]))).toThrow(/small order/)
  })
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
    const [sending, receiving] = [1, 2].map(() => createCipherState(Buffer.alloc(32), { firstNumber: 0xffff_ffff_ffff_fffen }))
    const last = sending?.encrypt(Buffer.from('the last')) ?? Buffer.alloc(0)
    expect(receiving?.decrypt(last).toString()).toBe('the last')
    expect(() => sending?.encrypt(Buffer.from('one more'))).toThrow(/as much as it may/)
    expect(() => receiving?.decrypt(last)).toThrow(/as much as it may/)
  })

  test('are 64 KiB less a byte at most, tag and all', () => {
    const { a, b } = talk(initiator(), responder())
    const longest = a.encrypt.encrypt(Buffer.alloc(65_535 - 16))
    expect(longest.length).toBe(65_535)
    expect(b.decrypt.decrypt(longest).length).toBe(65_535 - 16)
    expect(() => a.encrypt.encrypt(Buffer.alloc(65_536 - 16))).toThrow(/longer than 65,535/)
    expect(() => b.decrypt.decrypt(Buffer.alloc(65_536))).toThrow(DecryptionFailed)
    expect(b.decrypt.decrypt(a.encrypt.encrypt(Buffer.from('still in step'))).toString()).toBe('still in step')
  })

  test('of any size and number, with new keys between them, arrive as they were', () => {
    const { a, b } = talk(initiator(), responder())
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 2_000 }), fc.uint8Array({ maxLength: 50 }), fc.boolean(), (bytes, associated, rekey) => {
        if (rekey) {
          a.encrypt.rekey()
          b.decrypt.rekey()
        }
        expect(Buffer.from(b.decrypt.decrypt(a.encrypt.encrypt(bytes, associated), associated))).toEqual(Buffer.from(bytes))
      }),
    )
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
    for (const field of [[0x22], [0x22, 2, 1], [0x02, 0], [0x18, 0]]) {
      expect(() => verifyIdentity(Buffer.concat([payload, Buffer.from(field)]), staticKey)).toThrow(/no protobuf of this kind/)
    }
  })

  test('has extensions of up to 16 KiB', () => {
    const payload = encodeIdentity(alice.seed, staticKey)
    const longest = Buffer.concat([payload, Buffer.of(0x22, 0xff, 0x7f), Buffer.alloc(16_383)])
    expect(verifyIdentity(longest, staticKey)).toBe(alice.peerId)
    const longer = Buffer.concat([payload, Buffer.of(0x22, 0x80, 0x80, 0x01), Buffer.alloc(16_384)])
    expect(() => verifyIdentity(longer, staticKey)).toThrow(/16 KiB/)
    // Zero in three bytes, of which a reader of two would make an empty field and something else.
    expect(() => verifyIdentity(Buffer.concat([payload, Buffer.of(0x22, 0x80, 0x80, 0x00)]), staticKey)).toThrow(/16 KiB/)
  })

  test('is an Ed25519 key', () => {
    const secp256k1 = generateKeyPairSync('ec', { namedCurve: 'secp256k1' }).publicKey.export({ format: 'der', type: 'spki' }).subarray(-65)
    const key = Buffer.concat([Buffer.of(0x08, 0x02, 0x12, 65), secp256k1])
    const payload = Buffer.concat([Buffer.of(0x0a, key.length), key, encodeIdentity(alice.seed, staticKey).subarray(38)])
    expect(() => verifyIdentity(payload, staticKey)).toThrow(/no Ed25519/)
  })

  test('can be changed in no byte', () => {
    const payload = encodeIdentity(alice.seed, staticKey)
    fc.assert(
      fc.property(fc.nat({ max: payload.length - 1 }), fc.integer({ min: 1, max: 255 }), (at, bits) => {
        const changed = Buffer.from(payload)
        changed.writeUInt8(payload.readUInt8(at) ^ bits, at)
        expect(() => verifyIdentity(changed, staticKey)).toThrow(Error)
      }),
    )
  })

  test('is refused whatever else it is', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        expect(() => verifyIdentity(bytes, staticKey)).toThrow(Error)
      }),
    )
  })
})
