import { afterEach, expect, test, vi } from 'vitest'
import { createAnnouncers } from '../../src/log/announcers.ts'
import { createExpectedMessages } from '../../src/log/expected.ts'

afterEach(() => void vi.restoreAllMocks())

test('a look-up costs what it looks up, however many messages are expected that it need not know of', async () => {
  const asked: string[][] = []
  const log = {
    async unknown(ids: readonly string[]) {
      asked.push([...ids])
      return [...ids]
    },
  }
  const expected = createExpectedMessages({ keptMs: 1_000 }, { log, announcers: createAnnouncers(), now: () => 0 })
  // The number of the message that waits is 10,000: half is looked up once, half not at all.
  for (let count = 1; count <= 5_000; count++) expected.add(`a.${count}`, 'peer', undefined)
  for (let count = 1; count <= 5_000; count++) expected.add(`a.${10_000 + count}`, 'other', undefined)
  const components = { last: () => 10_000n, found: () => undefined }
  await expected.lookUp('a', components)
  expect(asked.flat()).toEqual(Array.from({ length: 5_000 }, (_, index) => `a.${index + 1}`))
  const filter = vi.spyOn(Array.prototype, 'filter')
  for (let count = 0; count < 100; count++) await expected.lookUp('a', components)
  expect(filter.mock.contexts.reduce((sum: number, list) => sum + (Array.isArray(list) ? list.length : 0), 0)).toBeLessThan(1_000)
  expect(asked.flat()).toHaveLength(5_000)
})

test('of messages that are expected no longer none is looked up', async () => {
  const asked: string[] = []
  const log = {
    async unknown(ids: readonly string[]) {
      asked.push(...ids)
      return []
    },
  }
  const expected = createExpectedMessages({ keptMs: 1_000 }, { log, announcers: createAnnouncers(), now: () => 0 })
  for (const id of ['a.3', 'a.1', 'a.2']) expected.add(id, 'peer', undefined)
  expected.remove(['a.2'])
  const found: string[] = []
  await expected.lookUp('a', { last: () => 10n, found: (ids) => void found.push(...ids) })
  expect(asked).toEqual(['a.1', 'a.3'])
  expect(found).toEqual(['a.1', 'a.3'])
})
