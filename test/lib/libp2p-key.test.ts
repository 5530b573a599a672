import { generateKeyPairFromSeed } from '@libp2p/crypto/keys'
import { expect, test } from 'vitest'
import { libp2pKey } from '../../src/lib/libp2p-key.ts'

test('a key is the one that libp2p derives from the same seed', async () => {
  for (let byte = 0; byte < 5; byte++) {
    const seed = new Uint8Array(32).fill(byte)
    const [key, theirs] = [libp2pKey(seed), await generateKeyPairFromSeed('Ed25519', seed)]
    expect(Buffer.from(key.raw)).toEqual(Buffer.from(theirs.raw))
    expect(key.publicKey.equals(theirs.publicKey)).toBe(true)
    const message = Buffer.from('signed')
    expect(await theirs.publicKey.verify(message, await key.sign(message))).toBe(true)
  }
})

test('a seed of another length is refused', () => {
  expect(() => libp2pKey(new Uint8Array(31))).toThrow()
})
