import { expect, test } from 'vitest'
import { createAead, nodeAead, sodiumAead } from '../../../../src/engine/custom/noise/aead.ts'
import type { AeadOf } from '../../../../src/engine/custom/noise/cipher-state.ts'
import { createXxHandshake, type Role } from '../../../../src/engine/custom/noise/xx-handshake.ts'
import { sodium } from '../../../../src/lib/sodium.ts'
import { keyPairOf } from '../../../../src/lib/x25519.ts'
import cacophony from '../../../vectors/noise/cacophony.json' with { type: 'json' }
import snow from '../../../vectors/noise/snow.json' with { type: 'json' }

interface Vector {
  init_prologue: string
  init_static: string
  init_ephemeral: string
  resp_prologue: string
  resp_static: string
  resp_ephemeral: string
  handshake_hash?: string
  messages: Array<{ payload: string; ciphertext: string }>
}

const hex = (text: string) => Buffer.from(text, 'hex')

function side(aeadOf: AeadOf, role: Role, prologue: string, staticKey: string, ephemeralKey: string) {
  return createXxHandshake({
    aeadOf,
    role,
    prologue: hex(prologue),
    staticKey: keyPairOf(hex(staticKey)),
    ephemeralKey: keyPairOf(hex(ephemeralKey)),
  })
}

const vectorsOf: Record<string, Vector[]> = { cacophony, snow }
/** Each implementation of this platform, and their mixture. */
const ciphers: Record<string, AeadOf> = {
  'node:crypto': nodeAead,
  ...(sodium === undefined ? {} : { libsodium: sodiumAead.bind(undefined, sodium) }),
  'the default': createAead,
}
const published = Object.entries(vectorsOf).flatMap(([name, vectors]) =>
  Object.entries(ciphers).map(([cipher, aeadOf]) => ({ name, vectors, cipher, aeadOf })),
)

test.each(published)('every message of the vectors of $name, to the byte, with $cipher', ({ vectors, aeadOf }) => {
  expect(vectors.length).toBeGreaterThan(0)
  for (const vector of vectors) {
    const initiator = side(aeadOf, 'initiator', vector.init_prologue, vector.init_static, vector.init_ephemeral)
    const responder = side(aeadOf, 'responder', vector.resp_prologue, vector.resp_static, vector.resp_ephemeral)
    expect(vector.messages.length).toBeGreaterThan(3)

    for (const [index, { payload, ciphertext }] of vector.messages.slice(0, 3).entries()) {
      const [writer, reader] = index === 1 ? [responder, initiator] : [initiator, responder]
      const message = writer.writeMessage(hex(payload))
      expect(message.toString('hex')).toBe(ciphertext)
      expect(reader.readMessage(message).toString('hex')).toBe(payload)
    }
    expect(initiator.hash.toString('hex')).toBe(responder.hash.toString('hex'))
    if (vector.handshake_hash !== undefined) expect(initiator.hash.toString('hex')).toBe(vector.handshake_hash)

    const [sending, receiving] = [initiator.split(), responder.split()]
    for (const [index, { payload, ciphertext }] of vector.messages.slice(3).entries()) {
      // The handshake's last message was the initiator's.
      const role = index % 2 === 0 ? 'responder' : 'initiator'
      const message = sending[role].encrypt(hex(payload))
      expect(message.toString('hex')).toBe(ciphertext)
      expect(receiving[role].decrypt(message).toString('hex')).toBe(payload)
    }
  }
})
