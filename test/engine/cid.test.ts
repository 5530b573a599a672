import { bases } from 'multiformats/basics'
import { CID } from 'multiformats/cid'
import { expect, test } from 'vitest'
import { parseCid } from '../../src/engine/cid.ts'
import { InvalidCid } from '../../src/errors.ts'

const { multihash, bytes } = CID.parse('bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku')

test.each(Object.entries(bases))('a CID can be written in any base: %s', (_, { encoder }) => {
  expect(parseCid(encoder.encode(bytes)).multihash.bytes).toEqual(multihash.bytes)
})

test('a CID of version 0 is a multihash in base58', () => {
  expect(parseCid('QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWKPBdG')).toMatchObject({ version: 0, multihash: { code: 0x12, size: 32 } })
})

test.each(['', 'a', 'z', 'b', 'Qm', '🚀', 'f0155', 'bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyk'])('%j is none', (text) => {
  expect(() => parseCid(text)).toThrow(InvalidCid)
})
