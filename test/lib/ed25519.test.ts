import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { ed25519, nodeEd25519, pooledVerifier, sodiumEd25519 } from '../../src/lib/ed25519.ts'
import { loadSodium, sodium } from '../../src/lib/sodium.ts'
import edges from '../vectors/ed25519.json' with { type: 'json' }

const hex = (text: string) => Buffer.from(text, 'hex')

/** RFC 8032 §7.1, TEST 1, 2, 3 and SHA(abc). */
const published = [
  {
    seed: '9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60',
    key: 'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a',
    message: '',
    signature:
      'e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b',
  },
  {
    seed: '4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb',
    key: '3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c',
    message: '72',
    signature:
      '92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00',
  },
  {
    seed: 'c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7',
    key: 'fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025',
    message: 'af82',
    signature:
      '6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a',
  },
  {
    seed: '833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42',
    key: 'ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf',
    message: createHash('sha512').update('abc').digest('hex'),
    signature:
      'dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b58909351fc9ac90b3ecfdfbc7c66431e0303dca179c138ac17ad9bef1177331a704',
  },
]

/** Both, where this platform has both. */
const implementations = [nodeEd25519, ...(sodium === undefined ? [] : [sodiumEd25519(sodium)])]

describe.each(implementations)('Ed25519 of $library', (implementation) => {
  test.each(published)('signs and verifies as published, $seed', ({ seed, key, message, signature }) => {
    expect(implementation.signer(hex(seed))(hex(message)).toString('hex')).toBe(signature)
    expect(implementation.verifier(hex(key))(hex(message), hex(signature))).toBe(true)
  })

  test.each(edges)('gives the one verdict of $what', ({ key, message, signature, valid }) => {
    expect(implementation.verifier(hex(key))(hex(message), hex(signature))).toBe(valid)
  })

  test('refuses a signature that has another length, or is of other bytes', () => {
    const [{ key, message, signature }] = published as [(typeof published)[0]]
    const verify = implementation.verifier(hex(key))
    for (const wrong of ['', signature.slice(2), `${signature}00`]) expect(verify(hex(message), hex(wrong))).toBe(false)
    for (let at = 0; at < 64; at++) {
      const changed = hex(signature)
      changed.writeUInt8(changed.readUInt8(at) ^ 1, at)
      expect(verify(hex(message), changed)).toBe(false)
    }
    expect(verify(hex('00'), hex(signature))).toBe(false)
  })

  test('takes views of larger memory, and keeps no reference to the caller’s key', () => {
    const [, { seed, key, message, signature }] = published as [unknown, (typeof published)[0]]
    const view = (text: string) => Buffer.concat([Buffer.alloc(3), hex(text), Buffer.alloc(3)]).subarray(3, -3)
    const [secret, raw] = [view(seed), view(key)]
    const [sign, verify] = [implementation.signer(secret), implementation.verifier(raw)]
    secret.fill(0)
    raw.fill(0)
    expect(sign(view(message)).toString('hex')).toBe(signature)
    expect(verify(view(message), view(signature))).toBe(true)
  })

  test('takes no key of another length', () => {
    for (const length of [31, 33]) {
      expect(() => implementation.signer(Buffer.alloc(length, 1))).toThrow()
      expect(() => implementation.verifier(Buffer.alloc(length, 1))).toThrow()
    }
  })
})

test.each([...edges, ...published.map((vector) => ({ ...vector, what: `RFC 8032, ${vector.seed}`, valid: true }))])(
  'the verdict beside the event loop is the same, of $what',
  async ({ key, message, signature, valid }) => {
    expect(await pooledVerifier(hex(key))(hex(message), hex(signature))).toBe(valid)
  },
)

test('node:crypto serves where libsodium has nothing for the platform, and libsodium where it has', () => {
  expect(loadSodium('linux-s390x')).toBeUndefined()
  expect(ed25519.library).toBe(sodium === undefined ? 'node:crypto' : 'libsodium')
})
