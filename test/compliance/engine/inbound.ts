import { describe, expect, test } from 'vitest'
import type { Verdict } from '../../../src/model/verdict.ts'
import { data, type EngineNodes, texts } from './nodes.ts'

/** Messages of other peers, verified and judged. */
export function describeInbound({ createNode, pair, link, knows, publish }: EngineNodes): void {
  describe('the way in', () => {
    test('forwards what was accepted, and neither what was ignored nor what failed', async () => {
      const a = await createNode()
      const b = await createNode({
        async verdict(message) {
          const text = Buffer.from(message.data).toString()
          if (text === 'fail') throw new Error('the store is away')
          return text === 'ignore' ? 'ignore' : 'accept'
        },
      })
      const c = await createNode()
      await b.engine.subscribe('orders')
      await c.engine.subscribe('orders')
      await link(a, b)
      await link(b, c)
      await knows(a, b, 'orders')
      await knows(b, c, 'orders')
      await publish(a, 'orders', 'ignore', 'fail', 'accept')
      await expect.poll(() => texts(c.received)).toEqual(['accept'])
      expect(texts(b.received)).toEqual(['ignore', 'fail', 'accept'])
    })

    test('does not forward a message before the answer', async () => {
      const answer = Promise.withResolvers<Verdict>()
      const [a, b, c] = [await createNode(), await createNode({ verdict: () => answer.promise }), await createNode()]
      await b.engine.subscribe('orders')
      await c.engine.subscribe('orders')
      await link(a, b)
      await link(b, c)
      await knows(a, b, 'orders')
      await knows(b, c, 'orders')
      await publish(a, 'orders', 'hello')
      await expect.poll(() => b.received.length).toBe(1)
      expect(c.received).toEqual([])
      answer.resolve('accept')
      await expect.poll(() => texts(c.received)).toEqual(['hello'])
    })

    test('drops what was not signed by its author', async () => {
      const [a, b] = await pair()
      await b.engine.subscribe('orders')
      await link(a, b)
      await knows(a, b, 'orders')
      const [message] = await a.engine.sign([{ topic: 'orders', data: data('genuine') }])
      if (message === undefined) throw new Error('not signed')
      await a.engine.send([{ ...message, data: data('forged!') }])
      await publish(a, 'orders', 'after')
      await expect.poll(() => texts(b.received)).toEqual(['after'])
    })
  })
}
