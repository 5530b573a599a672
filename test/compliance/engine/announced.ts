import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { messageId, type SignedMessage } from '../../../src/model/signed-message.ts'
import { type EngineNodes, texts } from './nodes.ts'

const idOf = ({ from, sequence }: SignedMessage) => messageId(from, sequence)

/**
 * Messages that neighbours announce.
 * @param init.afterMs age in milliseconds of a subscription from which on what new neighbours announce counts
 */
export function describeAnnounced({ createNode, pair, link, knows, publish }: EngineNodes, { afterMs }: { afterMs: number }): void {
  describe('announcements', () => {
    test('a new neighbour announces what went out lately: it is told of, then asked for', async () => {
      const [author, neighbour] = await pair()
      const late = await createNode()
      for (const { engine } of [neighbour, late]) await engine.subscribe('orders')
      await link(author, neighbour)
      await knows(author, neighbour, 'orders')
      await delay(afterMs)
      // Until the link is there, however long that takes, so that some went out shortly before.
      let isLinked = false
      await publish(author, 'orders', 'first')
      await expect.poll(() => texts(neighbour.received)).toContain('first')
      const linking = link(late, neighbour).finally(() => {
        isLinked = true
      })
      for (let number = 0; !isLinked; number++) {
        await publish(author, 'orders', `${number}`)
        await delay(20)
      }
      await linking
      const told = () => late.events.flatMap((event) => (event.type === 'message:announced' ? [event] : []))
      await expect.poll(() => told().length, { timeout: 20_000 }).toBeGreaterThan(0)
      const ids = told().flatMap((event) => event.ids)
      await expect.poll(() => ids.filter((id) => !late.received.map(idOf).includes(id)), { timeout: 20_000 }).toEqual([])
      const linked = [neighbour, author].map(({ engine }) => engine.peerId)
      expect(told().filter(({ peerId }) => !linked.includes(peerId))).toEqual([])
    })
  })
}
