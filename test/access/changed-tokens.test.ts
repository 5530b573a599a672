import { expect, test } from 'vitest'
import { createEndings } from '../../src/access/endings.ts'
import { watchRevocation } from '../../src/access/revocation.ts'
import type { TokenChange } from '../../src/store/token-store.ts'
import { silentLog } from '../fixtures/log.ts'

/** Checks of tokens, the first of which lasts until it is let go. */
function checks() {
  const asked: string[][] = []
  const may = Promise.withResolvers<void>()
  let tell: (change: TokenChange) => void = () => undefined
  watchRevocation({
    tokens: {
      async missing(ids) {
        asked.push([...ids])
        await may.promise
        return new Set()
      },
      watchChanges(watcher) {
        tell = watcher
        return () => undefined
      },
    },
    sessions: { missing: async () => [] },
    endings: createEndings(),
    stream: { grants: new Set(['open']), sessions: new Set(), watchOpened: () => () => undefined },
    topics: { clients: async () => [], giveUp: async () => undefined },
    logger: silentLog,
  })
  return { asked, letGo: may.resolve, tell: (change: TokenChange) => tell(change) }
}

const id = (count: number) => `tok_${count}`

test.each([
  ['checked each by itself', 1_000, Array.from({ length: 1_000 }, (_, count) => id(count + 1))],
  ['checked with all others', 1_001, ['open']],
])('changed tokens that wait for a check are %s when they are %i', async (_, count, expected) => {
  const { asked, letGo, tell } = checks()
  tell({ token: id(0) })
  await expect.poll(() => asked).toEqual([[id(0)]])
  for (let each = 1; each <= count; each++) tell({ token: id(each) })
  letGo()
  await expect.poll(() => asked[1]).toEqual(expected)
})
