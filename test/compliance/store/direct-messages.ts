import { describe, expect, test } from 'vitest'
import { directTopic } from '../../../src/model/topic.ts'
import type { LogQuery } from '../../../src/store/log-store.ts'
import type { Store } from '../../../src/store/store.ts'
import { newMessage, someAuthor } from '../../fixtures/messages.ts'
import { firstTime, otherAuthor } from './shared.ts'

/** The contract for direct messages that have arrived. */
export function describeDirectMessages(open: () => Promise<Store>): void {
  describe('direct messages', () => {
    test('keep their recipient, lie in no topic, and are found by kind, recipient and id', async () => {
      const store = await open()
      const direct = newMessage(directTopic, { to: otherAuthor })
      await store.log.append([newMessage('orders'), direct])
      expect(await store.log.get(direct.id)).toMatchObject({ to: otherAuthor, topic: directTopic })
      const found = async (query: Partial<LogQuery>) =>
        (await store.log.read({ after: 0, order: 'asc', limit: 10, ...query })).messages.map(({ id }) => id)
      expect(await found({ kind: 'direct' })).toEqual([direct.id])
      expect(await found({ to: otherAuthor })).toEqual([direct.id])
      expect(await found({ to: someAuthor })).toEqual([])
      expect(await found({ topics: { exact: [directTopic], patterns: [] } })).toEqual([direct.id])
      expect(await found({ topics: { exact: [], patterns: ['>'] } })).not.toContain(direct.id)
      expect((await store.topics.list({ limit: 10 })).map(({ topic }) => topic)).toEqual(['orders'])
    })

    test('are pruned as the messages of a topic are', async () => {
      const store = await open()
      await store.log.append([newMessage(directTopic, { to: otherAuthor }), newMessage(directTopic, { to: otherAuthor })])
      const query = { defaults: { maxAgeMs: 0, maxMessages: 1, maxBytes: 0 }, now: firstTime }
      expect(await store.log.prunable(query)).toEqual([directTopic])
      expect(await store.log.prune({ ...query, topic: directTopic, limit: 10 })).toMatchObject({ messages: 1 })
    })
  })
}
