import { onTestFinished, vi } from 'vitest'
import { defaultLimits } from '../../src/limits.ts'
import { createAuthorOrder } from '../../src/log/author-order.ts'
import { type SignedMessage, sequenceBytes } from '../../src/model/signed-message.ts'

/** An order, and in which order it lets messages go. Timers are fake. */
export function createOrder(init: { limits?: Partial<typeof defaultLimits>; logged?: string[] } = {}) {
  const { limits, logged = [] } = init
  const order = createAuthorOrder(
    { limits: { ...defaultLimits, ...limits } },
    { log: { unknown: async (ids) => ids.filter((id) => !logged.includes(id)) } },
  )
  order.start()
  onTestFinished(() => order.stop())
  const gone: string[] = []
  async function come(id: string, bytes = 10): Promise<void> {
    await order.turn(messageOf(id, bytes), order.now())
    gone.push(id)
  }
  return {
    order,
    gone,
    /** Live messages come, one right after the other. */
    come: (...ids: string[]) => ids.forEach((id) => void come(id)),
    comeLarge: (bytes: number, ...ids: string[]) => ids.forEach((id) => void come(id, bytes)),
    async comePast(...ids: string[]) {
      const turns = order.turnsOfPast(ids.map((id) => messageOf(id, 10)))
      await Promise.all(
        ids.map(async (id, index) => {
          await turns[index]
          gone.push(id)
        }),
      )
    },
    pass: (ms: number) => vi.advanceTimersByTimeAsync(ms),
  }
}

/** A message by its author and number, such as `a.2`. */
export function messageOf(id: string, bytes: number): SignedMessage {
  const [from = '', number = '0'] = id.split('.')
  return { from, topic: 'orders', sequence: sequenceBytes(BigInt(number)), data: Buffer.alloc(bytes), signature: Buffer.alloc(64) }
}
