import { createHash, randomBytes } from 'node:crypto'
import { peerIdFromString } from '@libp2p/peer-id'
import { encode } from 'cborg'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { InvalidRecord } from '../../src/errors.ts'
import {
  immutableKey,
  maxRecordValueBytes,
  openOwnRecord,
  ownKey,
  parseDhtKey,
  replaces,
  sealOwnRecord,
  validateRecord,
} from '../../src/model/dht-record.ts'
import { openEnvelope, sealEnvelope } from '../../src/model/signed-envelope.ts'
import { createMemoryIdentity } from '../fixtures/memory-identity.ts'

const value = Buffer.from('a value')
const { peerId: owner, seed } = await createMemoryIdentity()
const content = { name: 'profile', sequence: 7n, issuedAt: 1_800_000_000_000, value }
const key = parseDhtKey(ownKey(owner, 'profile'))

describe('a key', () => {
  test('is of a namespace', () => {
    expect(parseDhtKey(immutableKey(value))).toEqual({ namespace: 'imm', hash: createHash('sha256').update(value).digest('hex') })
    expect(parseDhtKey(ownKey(owner, 'a/b c'))).toEqual({ namespace: 'own', owner, name: 'a/b c' })
    expect(parseDhtKey('/ipns/k51')).toEqual({ namespace: 'other', name: 'ipns' })
  })

  test.each([
    '',
    'peergate',
    '/',
    '//',
    '/peergate',
    '/peergate/imm',
    `/peergate/imm/${'A'.repeat(64)}`,
    `/peergate/imm/${'a'.repeat(63)}`,
    `/peergate/imm/${'a'.repeat(64)}/more`,
    '/peergate/other/x',
    `/peergate/own/${owner}`,
    `/peergate/own/${owner}/`,
    `/peergate/own/nobody/name`,
    `/peergate/own/${owner}/a\u0000b`,
    `/peergate/own/${owner}/${'x'.repeat(257)}`,
    `/ipns/${'x'.repeat(1_100)}`,
  ])('is not "%s"', (text) => {
    expect(() => parseDhtKey(text)).toThrow(InvalidRecord)
  })

  test('is parsed or refused, whatever it is', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string({ unit: 'grapheme' }),
          fc.string().map((text) => `/peergate/${text}`),
        ),
        (text) => {
          try {
            parseDhtKey(text)
          } catch (error) {
            expect(error).toBeInstanceOf(InvalidRecord)
          }
        },
      ),
    )
  })
})

describe('a value of its hash', () => {
  test('proves its key, and nothing else does', async () => {
    await validateRecord(parseDhtKey(immutableKey(value)), value)
    await expect(validateRecord(parseDhtKey(immutableKey(value)), Buffer.from('another'))).rejects.toThrow(InvalidRecord)
  })

  test('has 64 KiB at most', async () => {
    const largest = randomBytes(maxRecordValueBytes)
    await validateRecord(parseDhtKey(immutableKey(largest)), largest)
    const larger = randomBytes(maxRecordValueBytes + 1)
    await expect(validateRecord(parseDhtKey(immutableKey(larger)), larger)).rejects.toThrow(/at most 65536 bytes/)
  })
})

describe('a record of its owner', () => {
  test('proves its key and has what was signed', async () => {
    const record = await sealOwnRecord(content, seed)
    await validateRecord(key, record)
    expect(await openOwnRecord({ owner, name: 'profile' }, record)).toEqual({ owner, ...content, value: Uint8Array.from(value) })
  })

  test('keeps sequence numbers beyond 2^53', async () => {
    const sequence = 2n ** 64n - 1n
    const record = await sealOwnRecord({ ...content, sequence }, seed)
    expect((await openOwnRecord({ owner, name: 'profile' }, record)).sequence).toBe(sequence)
  })

  test('is of one name, one owner, and one purpose', async () => {
    const record = await sealOwnRecord(content, seed)
    const other = await createMemoryIdentity()
    await expect(validateRecord(parseDhtKey(ownKey(owner, 'other')), record)).rejects.toThrow(InvalidRecord)
    await expect(validateRecord(parseDhtKey(ownKey(other.peerId, 'profile')), record)).rejects.toThrow(InvalidRecord)
    const { payload } = await openEnvelope({ domain: 'peergate-record', payloadType: '/peergate/own/1' }, record)
    for (const kind of [
      { domain: 'peergate-direct', payloadType: '/peergate/own/1' },
      { domain: 'peergate-record', payloadType: '/peergate/own/2' },
    ]) {
      await expect(validateRecord(key, await sealEnvelope(kind, payload, seed))).rejects.toThrow(InvalidRecord)
    }
  })

  test('has one spelling: a changed or added byte ends it', async () => {
    const record = await sealOwnRecord(content, seed)
    for (let at = 0; at < record.length; at++) {
      const changed = Buffer.from(record)
      changed[at] = (changed[at] ?? 0) ^ 1
      await expect(validateRecord(key, changed)).rejects.toThrow(InvalidRecord)
    }
    for (const added of [Buffer.concat([record, Buffer.of(0x30, 1)]), Buffer.concat([Buffer.of(0x30, 1), record])]) {
      await expect(validateRecord(key, added)).rejects.toThrow(InvalidRecord)
    }
  })

  test('has one spelling of its content too, and its owner one in the key', async () => {
    const kind = { domain: 'peergate-record', payloadType: '/peergate/own/1' }
    const payload = Buffer.from(encode({ name: 'profile', sequence: 7, issuedAt: 0, value }))
    await validateRecord(key, await sealEnvelope(kind, payload, seed))
    // The 7 as CBOR writes numbers from 24 on.
    const at = payload.indexOf('sequence') + 'sequence'.length
    const longer = Buffer.concat([payload.subarray(0, at), Buffer.of(0x18, 7), payload.subarray(at + 1)])
    await expect(validateRecord(key, await sealEnvelope(kind, longer, seed))).rejects.toThrow(InvalidRecord)
    expect(() => parseDhtKey(ownKey(peerIdFromString(owner).toCID().toString(), 'profile'))).toThrow(InvalidRecord)
  })

  test('is no record when it is anything else', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), async (bytes) => {
        await expect(validateRecord(key, bytes)).rejects.toThrow(InvalidRecord)
      }),
    )
  })

  test('has a name and a value within their bounds', async () => {
    await expect(sealOwnRecord({ ...content, name: '' }, seed)).rejects.toThrow(InvalidRecord)
    await expect(sealOwnRecord({ ...content, name: '\ud800' }, seed)).rejects.toThrow(InvalidRecord)
    await expect(sealOwnRecord({ ...content, value: randomBytes(maxRecordValueBytes + 1) }, seed)).rejects.toThrow(InvalidRecord)
    await validateRecord(key, await sealOwnRecord({ ...content, value: randomBytes(maxRecordValueBytes) }, seed))
  })

  test('gives way to a higher sequence, and of two with the same one all take the same', async () => {
    const [first, second] = await Promise.all([7n, 8n].map((sequence) => sealOwnRecord({ ...content, sequence }, seed)))
    const same = await sealOwnRecord({ ...content, value: Buffer.from('at the same time') }, seed)
    if (first === undefined || second === undefined) throw new Error('no records')
    expect(await replaces(key, second, first)).toBe(true)
    expect(await replaces(key, first, second)).toBe(false)
    expect(await replaces(key, first, first)).toBe(false)
    expect(await replaces(key, first, same)).not.toBe(await replaces(key, same, first))
  })
})
