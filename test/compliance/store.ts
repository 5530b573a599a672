import { describe, expect, onTestFinished, test } from 'vitest'
import type { Store } from '../../src/store/store.ts'
import { newMessage } from '../fixtures/messages.ts'
import { describeAudit } from './store/audit.ts'
import { describeConsumers } from './store/consumers.ts'
import { describeDamage } from './store/damage.ts'
import { describeDeletion } from './store/deletion.ts'
import { describeDeliveries } from './store/deliveries.ts'
import { describeDirectMessages } from './store/direct-messages.ts'
import { describeForgetting } from './store/forgetting.ts'
import { describeGateways } from './store/gateways.ts'
import { describeKeys } from './store/keys.ts'
import { describeLog } from './store/log.ts'
import { describeLogReading } from './store/log-reading.ts'
import { describePeers } from './store/peers.ts'
import { describePruning } from './store/pruning.ts'
import { describeRecords } from './store/records.ts'
import { describeSessions } from './store/sessions.ts'
import type { Spoilt } from './store/spoilt.ts'
import { describeTokens } from './store/tokens.ts'
import { describeTopics } from './store/topics.ts'
import { describeWebhooks } from './store/webhooks.ts'

/** A place for a store's data, which can be opened repeatedly. */
export interface StorePlace {
  open(): Store
  /**
   * Damages a stored message or a delivery's envelope as a disk would: without the knowledge of the store, which may be
   * open.
   */
  spoil(what: Spoilt): Promise<void>
}

/** Tests every sentence of the Store contract. */
export function describeStore(name: string, createPlace: () => Promise<StorePlace>): void {
  describe(`the ${name} store`, () => {
    let place: StorePlace

    async function open(): Promise<Store> {
      place = await createPlace()
      return await reopen()
    }

    async function reopen(): Promise<Store> {
      const store = place.open()
      await store.start()
      onTestFinished(() => store.stop())
      return store
    }

    test('starts and stops once however often it is told to', async () => {
      const store = await open()
      await store.start()
      await store.log.append([newMessage('orders')])
      await store.stop()
      await store.stop()
      await store.start()
      expect((await store.log.position()).tip).toBeGreaterThan(0)
    })

    test('keeps where the clock stands, one generation after another, also over a restart', async () => {
      const store = await open()
      const { wall = Date.now(), checkpoint } = await store.clock.read()
      expect(Math.abs(wall - Date.now())).toBeLessThan(60_000)
      expect(Number.isInteger(wall)).toBe(true)
      expect(checkpoint).toBeUndefined()
      const first = { generation: 1, age: 1_000, wall: 2_000 }
      expect(await store.clock.save(first, 1)).toBe(false)
      expect((await Promise.all([store.clock.save(first, 0), store.clock.save(first, 0)])).toSorted()).toEqual([false, true])
      const [later, next] = [
        { ...first, age: 1_030 },
        { generation: 2, age: 1_060, wall: 9_000_000_000_000 },
      ]
      expect(await store.clock.save(later, 1)).toBe(true)
      expect((await store.clock.read()).checkpoint).toEqual(later)
      expect(await store.clock.save(next, 1)).toBe(true)
      expect(await store.clock.save(later, 1)).toBe(false)
      await store.stop()
      expect((await (await reopen()).clock.read()).checkpoint).toEqual(next)
    })

    describeLog(open, reopen)
    describeLogReading(open)
    describePruning(open)
    describeKeys(open)
    describeTopics(open, reopen)
    describePeers(open, reopen)
    describeRecords(open, reopen)
    describeTokens(open, reopen)
    describeSessions(open, reopen)
    describeAudit(open, reopen)
    describeDirectMessages(open)
    describeDeliveries(open, reopen)
    describeConsumers(open, reopen, (what) => place.spoil(what))
    describeWebhooks(open, reopen)
    describeDamage(open, (what) => place.spoil(what))
    describeDeletion(open, reopen)
    describeForgetting(open, reopen)
    describeGateways(open, reopen)
  })
}
