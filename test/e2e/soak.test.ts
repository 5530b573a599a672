import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { expect, test } from 'vitest'
import { inspectable, usedBytes } from '../fixtures/collect-garbage.ts'
import { gatewayForTest } from '../fixtures/gateway-for-test.ts'
import { quietEnvironment } from '../fixtures/gateway-process.ts'
import { createRandom } from '../fixtures/random.ts'
import { residentMiB } from '../fixtures/resident-memory.ts'
import { createRest, type Rest } from '../fixtures/rest.ts'
import { openStream } from '../fixtures/stream-client.ts'
import { temporaryDirectory } from '../fixtures/temporary.ts'
import { byLength } from '../fixtures/test-length.ts'

/** A message each second of a day, or of a sixth of it, as fast as they go; a topic keeps what would be some minutes of it. */
const messages = byLength({ gate: 14_400, full: 86_400 })
const topics = Array.from({ length: 20 }, (_, index) => `sensors.${index}`)
const publishers = 24
const quick = {
  PEERGATE_RETENTION_MAX_AGE_MS: '2000',
  PEERGATE_RETENTION_MAX_MESSAGES: '300',
  PEERGATE_RETENTION_SWEEP_MS: '200',
  PEERGATE_SEEN_WINDOW_MS: '2000',
  PEERGATE_SENT_WINDOW_MS: '500',
  PEERGATE_UNSENT_WINDOW_MS: '1000',
  PEERGATE_MAX_RING_MESSAGES: '2000',
}

/**
 * Pages of the database that hold something. The files' sizes would also count what they once held: free pages, and a
 * write-ahead log that is as long as the longest time in which a reader was in the way of starting it again.
 */
function pagesInUse(directory: string): number {
  const database = new DatabaseSync(join(directory, 'peergate.db'), { readOnly: true, timeout: 5_000 })
  try {
    const count = (pragma: string) => Number(database.prepare(`PRAGMA ${pragma}`).get()?.[pragma])
    return count('page_count') - count('freelist_count')
  } finally {
    database.close()
  }
}

/** A client of the day: comes, reads something, publishes something, goes. */
async function visit(url: string, rest: Rest, topic: string): Promise<void> {
  await using client = await openStream(url, { query: `?topic=${encodeURIComponent(topic)}&after=earliest` })
  await client.expect('caught-up')
  await rest.get(`/v1/topics/${encodeURIComponent(topic)}/messages?limit=50`)
  await rest.get('/v1/node')
}

// Memory of another process is read from /proc, which only Linux has.
test.skipIf(process.platform !== 'linux')(
  `${messages} messages, pruned as it goes, leaves memory as after its first third and the database as it was (needs /proc)`,
  async () => {
    const directory = await temporaryDirectory()
    const gateway = await gatewayForTest({ ...quietEnvironment(directory), ...quick, NODE_OPTIONS: inspectable })
    const rest = createRest(gateway.url)
    const random = createRandom(1)
    const follower = await openStream(gateway.url, { query: '?topic=sensors.>' })
    let followed = 0
    follower.socket.on('message', () => {
      followed++
      follower.frames.length = follower.messages.length = 0
    })
    const pagesBefore = pagesInUse(directory)
    const used: number[] = []
    const resident: number[] = []
    let published = 0
    await Promise.all(
      Array.from({ length: publishers }, async () => {
        while (published < messages) {
          const number = ++published
          if (number % 200 === 0) await visit(gateway.url, rest, random.pick(topics))
          if (number % (messages / 12) === 0) {
            resident.push(await residentMiB(gateway.child.pid ?? 0))
            used.push((await usedBytes(gateway)) / 2 ** 20)
          }
          await rest.publish(random.pick(topics), 'x'.repeat(random.below(600)))
        }
      }),
    )
    await expect.poll(() => followed).toBeGreaterThanOrEqual(messages)
    await follower[Symbol.asyncDispose]()

    // More than 870 bytes that stayed of each message between the two, fewer than a stored message has, would be seen, and in the full length 145.
    expect(Math.min(...used.slice(-3)), `in use: ${used}`).toBeLessThan(Math.max(...used.slice(3, 6)) + 4)
    // What is resident also has what a busy collector has not taken yet, and what is outside of the heap.
    expect(Math.max(...resident.slice(-3)), `resident: ${resident}`).toBeLessThan(Math.max(...resident.slice(3, 6)) * 1.5)
    await expect.poll(async () => (await rest.get<{ items: unknown[] }>('/v1/messages?limit=500')).items).toEqual([])
    const counts = async () => (await rest.get<{ items: Array<{ messages: number; bytes: number }> }>('/v1/topics?limit=500')).items
    await expect.poll(async () => (await counts()).filter((topic) => topic.messages !== 0 || topic.bytes !== 0)).toEqual([])
    // Three bytes that stayed of each message would be ten pages or more.
    await expect.poll(() => pagesInUse(directory)).toBeLessThanOrEqual(pagesBefore + 8)
  },
  480_000,
)
