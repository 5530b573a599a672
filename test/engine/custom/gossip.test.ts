import { expect, test } from 'vitest'
import { createGossip } from '../../../src/engine/custom/gossip.ts'
import { createMessageSigner, type SignedMessage } from '../../../src/model/signed-message.ts'
import { silentLog } from '../../fixtures/log.ts'
import { createMemoryIdentity } from '../../fixtures/memory-identity.ts'

const identity = await createMemoryIdentity()
const signer = createMessageSigner(identity.peerId, identity.seed)

function gossip(isAdmitted = true) {
  const settled: Array<[string, string]> = []
  const judged: string[] = []
  const gate = {
    admits: () => isAdmitted,
    async judge({ data }: { data: Uint8Array }) {
      judged.push(Buffer.from(data).toString())
      return 'accept' as const
    },
    dropped: 0,
  }
  const parts = createGossip({ gate, settle: (id, outcome) => settled.push([id, outcome]), logger: silentLog })
  /** The message as a peer sends it. */
  const received = (message: SignedMessage) => parts.open(Buffer.from(parts.seal(message).bytes))
  return { settled, judged, received, ...parts }
}

test('what nobody signed is judged by nobody, and what comes behind it is', async () => {
  const { received, judge, judged, settled } = gossip()
  let held = 0
  const hold = (bytes: number) => {
    held += bytes
  }
  const [forged, good] = [signer.sign(1n, 'orders', Buffer.from('forged')), signer.sign(2n, 'orders', Buffer.from('good'))]
  judge(received({ ...forged, signature: new Uint8Array(64) }), hold)
  judge(received(good), hold)
  expect(held).toBeGreaterThan(0)
  await expect.poll(() => settled.map(([, outcome]) => outcome)).toEqual(['forged', 'accept'])
  expect(judged).toEqual(['good'])
  await expect.poll(() => held).toBe(0)
})

test('what the gate does not admit is judged by nobody', async () => {
  const { received, judge, judged, settled } = gossip(false)
  judge(received(signer.sign(1n, 'orders', Buffer.from('x'))), () => undefined)
  await expect.poll(() => settled.map(([, outcome]) => outcome)).toEqual(['ignore'])
  expect(judged).toEqual([])
})

test('a message is judged once', async () => {
  const { received, judge, judged, settled } = gossip()
  const envelope = received(signer.sign(1n, 'orders', Buffer.from('x')))
  judge(envelope, () => undefined)
  expect(() => judge(envelope, () => undefined)).toThrow('judged already')
  await expect.poll(() => settled).toHaveLength(1)
  expect(judged).toEqual(['x'])
})
