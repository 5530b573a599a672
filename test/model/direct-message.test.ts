import { encode } from 'cborg'
import { expect, test } from 'vitest'
import { openDirect, sealDirect } from '../../src/model/direct-message.ts'
import { sealEnvelope } from '../../src/model/signed-envelope.ts'
import { sequenceBytes } from '../../src/model/signed-message.ts'
import { createMemoryIdentity } from '../fixtures/memory-identity.ts'

const [author, recipient] = [await createMemoryIdentity(), await createMemoryIdentity()]
const message = { to: recipient.peerId, sequence: sequenceBytes(7n), data: Buffer.from('hello') }
const kind = { domain: 'peergate-direct', payloadType: '/peergate/direct/1' }

test('comes back as it was sealed, with its author', async () => {
  const opened = await openDirect(await sealDirect(message, author.seed))
  expect(opened).toMatchObject({ id: `${author.peerId}.7`, from: author.peerId, to: recipient.peerId })
  expect(Buffer.from(opened.data).toString()).toBe('hello')
})

test('is sealed as nothing else, and nothing else as it', async () => {
  const payload = encode(message)
  for (const other of [
    { ...kind, domain: 'peergate-record' },
    { ...kind, payloadType: '/peergate/direct/2' },
  ]) {
    await expect(openDirect(await sealEnvelope(other, payload, author.seed))).rejects.toThrow()
  }
  await openDirect(await sealEnvelope(kind, payload, author.seed))
})

test('has one spelling: with anything before or behind it, it does not open', async () => {
  const envelope = await sealDirect(message, author.seed)
  const unknownField = Buffer.of(0x30, 1)
  await expect(openDirect(Buffer.concat([envelope, unknownField]))).rejects.toThrow()
  await expect(openDirect(Buffer.concat([unknownField, envelope]))).rejects.toThrow()
})

test.each([
  ['a sequence of another length', { ...message, sequence: new Uint8Array(9) }],
  ['no recipient', { ...message, to: '' }],
  ['a field more', { ...message, more: 1 }],
])('with %s does not open', async (_, payload) => {
  await expect(openDirect(await sealEnvelope(kind, encode(payload), author.seed))).rejects.toThrow()
})
