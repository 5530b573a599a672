import { setImmediate as nextTurn } from 'node:timers/promises'
import { expect, test } from 'vitest'
import type { SignedMessage } from '../../../src/model/signed-message.ts'
import { startedCustomEngine } from '../../fixtures/custom-engine.ts'
import { slowTaker } from '../../fixtures/slow-taker.ts'

test('a sender that is faster than messages are taken in loses none of 30,000', async () => {
  const { inbound, taken, lost } = slowTaker()
  const slow = await startedCustomEngine({ inbound })
  const fast = await startedCustomEngine()
  await slow.subscribe('orders')
  const [address = ''] = await slow.multiaddrs()
  await fast.dial(address, { source: 'rest', signal: AbortSignal.timeout(10_000) })
  await expect.poll(() => fast.subscribers('orders')).toEqual([slow.peerId])
  for (let sent = 0; sent < 30_000; sent += 50) {
    const batch = await fast.sign(Array.from({ length: 50 }, (_, index) => ({ topic: 'orders', data: Buffer.from(String(sent + index)) })))
    let left: SignedMessage[] = batch
    do {
      const recipients = await fast.send(left)
      left = left.filter((_, index) => recipients[index] === 0)
      await nextTurn()
    } while (left.length > 0)
  }
  await expect.poll(() => taken.length + lost(), { timeout: 120_000 }).toBe(30_000)
  expect(lost()).toBe(0)
  expect(taken.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 30_000 }, (_, index) => index))
}, 240_000)
