import { describe, expect, test } from 'vitest'
import { type Aead, createAead, nodeAead, sodiumAead, tagBytes } from '../../../../src/engine/custom/noise/aead.ts'
import { sodium } from '../../../../src/lib/sodium.ts'

const hex = (text: string) => Buffer.from(text, 'hex')

/** RFC 8439 §2.8.2. */
const published = {
  key: hex('808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f'),
  nonce: hex('070000004041424344454647'),
  associatedData: hex('50515253c0c1c2c3c4c5c6c7'),
  plaintext: Buffer.from(
    "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it.",
  ),
  tag: '1ae10b594f09e26a7e902ecbd0600691',
  begin: 'd31a8d34648e60db7b86afbc53ef7ec2',
}

const implementations: Array<{ name: string; aeadOf: (key: Uint8Array) => Aead }> = [
  { name: 'node:crypto', aeadOf: nodeAead },
  ...(sodium === undefined ? [] : [{ name: 'libsodium', aeadOf: sodiumAead.bind(undefined, sodium) }]),
  { name: 'the default', aeadOf: createAead },
]

/** Around the ends of blocks, of what Node.js allocates from its pool, and of what the default leaves to libsodium. */
const lengths = [0, 1, 15, 16, 63, 64, 65, 300, 4_096, 8_176, 8_177, 8_192, 8_193, 65_519]

describe.each(implementations)('ChaCha20-Poly1305 of $name', ({ aeadOf }) => {
  test('is that of RFC 8439', () => {
    const { key, nonce, associatedData, plaintext, tag, begin } = published
    const aead = aeadOf(key)
    const sealed = aead.seal(nonce, plaintext, associatedData)
    expect(sealed.subarray(0, 16).toString('hex')).toBe(begin)
    expect(sealed.subarray(-tagBytes).toString('hex')).toBe(tag)
    expect(aead.open(nonce, sealed, associatedData)).toEqual(plaintext)
  })

  test.each(lengths)('seals %s bytes as every implementation opens them, and opens what each has sealed', (length) => {
    const { key, nonce } = published
    const plaintext = Buffer.alloc(length, 'all of it')
    for (const associatedData of [undefined, Buffer.alloc(0), Buffer.from('with')]) {
      const sealed = aeadOf(key).seal(nonce, plaintext, associatedData)
      for (const other of implementations) {
        expect(other.aeadOf(key).seal(nonce, plaintext, associatedData).equals(sealed)).toBe(true)
        expect(other.aeadOf(key).open(nonce, sealed, associatedData)?.equals(plaintext)).toBe(true)
      }
    }
  })

  test('opens nothing that has another byte, nonce, key or associated data', () => {
    const { key, nonce, associatedData, plaintext } = published
    const aead = aeadOf(key)
    const sealed = aead.seal(nonce, plaintext, associatedData)
    for (let at = 0; at < sealed.length; at++) {
      const changed = Buffer.from(sealed)
      changed.writeUInt8(sealed.readUInt8(at) ^ 1, at)
      expect(aead.open(nonce, changed, associatedData)).toBeUndefined()
    }
    expect(aead.open(Buffer.alloc(12), sealed, associatedData)).toBeUndefined()
    expect(aead.open(nonce, sealed)).toBeUndefined()
    expect(aeadOf(Buffer.alloc(32)).open(nonce, sealed, associatedData)).toBeUndefined()
    expect(aead.open(nonce, sealed.subarray(0, tagBytes), associatedData)).toBeUndefined()
  })

  test('takes no key of another length', () => {
    for (const length of [31, 33]) expect(() => aeadOf(Buffer.alloc(length)).seal(published.nonce, Buffer.alloc(1))).toThrow()
  })
})
