import { streamPair } from '@libp2p/utils'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { checkSignals } from '../../../../src/engine/libp2p/webrtc/signals.ts'
import type { Candidate } from '../../../../src/engine/webrtc/session-description.ts'
import { field, fieldsOf, sized, unsized } from '../../../fixtures/protobuf.ts'

const offer = [
  ...['v=0', `a=fingerprint:sha-256 ${Array.from({ length: 32 }, () => 'AB').join(':')}`, 'a=mid:0', 'a=sctp-port:5000', 'a=setup:actpass'],
  ...['a=ice-ufrag:gS0S', 'a=ice-pwd:jzi+fPmDs+jrh6uWgC3tAN'],
].join('\r\n')
const candidate = (port: number) => JSON.stringify({ candidate: `candidate:1 1 UDP 5 192.0.2.7 ${port} typ host`, sdpMid: '0' })
const signal = (type: number, text: string) => sized(Buffer.concat([Buffer.of(8, type), field(2, text)]))

/** A checked stream, what its reader gets, and the candidates that wait for a decision. */
async function setUp() {
  const [theirs, ours] = await streamPair()
  const asked: Array<{ candidate: Candidate; use(): void }> = []
  const got: Array<{ type: unknown; text: string }> = []
  checkSignals(ours, 'offer', (told, use) => void asked.push({ candidate: told, use }))
  ours.addEventListener('message', ({ data }) => {
    const fields = fieldsOf(unsized(data.subarray()))
    got.push({ type: fields.get(1), text: String(fields.get(2)) })
  })
  return { theirs, ours, asked, got }
}

test('the description and allowed candidates are handed on, in pieces of any size', async () => {
  const { theirs, asked, got } = await setUp()
  for (const byte of Buffer.concat([signal(0, offer), signal(2, candidate(1)), signal(2, candidate(2)), signal(2, 'null')])) {
    theirs.send(Buffer.of(byte))
  }
  await expect.poll(() => asked.map((each) => each.candidate.port)).toEqual([1, 2])
  expect(got).toMatchObject([{ type: 0, text: expect.stringContaining('a=ice-ufrag:gS0S') }])
  asked[1]?.use()
  expect(got.slice(1)).toMatchObject([{ type: 2, text: expect.stringContaining('192.0.2.7 2 typ host') }])
})

test.for<[string, Buffer]>([
  ['an answer in place of an offer', signal(1, offer)],
  ['a candidate in place of an offer', signal(2, candidate(1))],
  ['a second offer', Buffer.concat([signal(0, offer), signal(0, offer)])],
  ['a malformed offer', signal(0, 'v=0')],
  ['an unknown type', signal(9, offer)],
  ['a signal longer than any', sized(Buffer.alloc(4_200))],
  ['a length without an end', Buffer.alloc(3, 255)],
  ['no message', sized(Buffer.alloc(9, 255))],
  ['a candidate that is not JSON', Buffer.concat([signal(0, offer), signal(2, '{')])],
  ['too many candidates', Buffer.concat([signal(0, offer), ...Array.from({ length: 64 }, (_, port) => signal(2, candidate(port + 1)))])],
])('%s ends the stream', async ([, bytes]) => {
  const { theirs, ours } = await setUp()
  for (let at = 0; at < bytes.length; at += 1_000) theirs.send(bytes.subarray(at, at + 1_000))
  await expect.poll(() => ours.status).toBe('aborted')
})

test('arbitrary bytes end the stream or wait for more, and hand nothing on', async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ minLength: 1, maxLength: 300 }), async (bytes) => {
      const { theirs, got } = await setUp()
      theirs.send(bytes)
      await new Promise((resolve) => setImmediate(resolve))
      expect(got).toEqual([])
    }),
    { numRuns: 50 },
  )
})
