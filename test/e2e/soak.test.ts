import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { gatewayForTest } from '../fixtures/gateway-for-test.ts'
import { quietEnvironment } from '../fixtures/gateway-process.ts'
import { createRandom } from '../fixtures/random.ts'
import { residentMiB } from '../fixtures/resident-memory.ts'
import { createRest, type Rest } from '../fixtures/rest.ts'
import { openStream } from '../fixtures/stream-client.ts'
import { temporaryDirectory } from '../fixtures/temporary.ts'

/** A message each second of a day, as fast as they go; a topic keeps what would be some minutes of it. */
const messages = 86_400
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

/** Bytes of the database with its write-ahead log. */
async function databaseBytes(directory: string): Promise<number> {
  const sizes = ['peergate.db', 'peergate.db-wal'].map(async (name) => (await stat(join(directory, name))).size)
  return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0)
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
  'a day of messages, pruned as it goes, leaves memory and database as they were after its first third (needs /proc)',
  async () => {
    const directory = await temporaryDirectory()
    const gateway = await gatewayForTest({ ...quietEnvironment(directory), ...quick })
    const rest = createRest(gateway.url)
    const random = createRandom(1)
    const follower = await openStream(gateway.url, { query: '?topic=sensors.>' })
    let followed = 0
    follower.socket.on('message', () => {
      followed++
      follower.frames.length = follower.messages.length = 0
    })
    const marks: Array<{ memory: number; database: number }> = []
    let published = 0
    await Promise.all(
      Array.from({ length: publishers }, async () => {
        while (published < messages) {
          const number = ++published
          if (number % 200 === 0) await visit(gateway.url, rest, random.pick(topics))
          if (number % (messages / 12) === 0) {
            marks.push({ memory: await residentMiB(gateway.child.pid ?? 0), database: await databaseBytes(directory) })
          }
          await rest.publish(random.pick(topics), 'x'.repeat(random.below(600)))
        }
      }),
    )
    await expect.poll(() => followed).toBeGreaterThanOrEqual(messages)
    await follower[Symbol.asyncDispose]()

    const [early, late] = [marks.slice(3, 6), marks.slice(-3)]
    const highest = (some: typeof marks, of: 'memory' | 'database') => Math.max(...some.map((mark) => mark[of]))
    expect(highest(late, 'database')).toBeLessThan(highest(early, 'database') * 1.15)
    expect(highest(late, 'memory')).toBeLessThan(highest(early, 'memory') * 1.15 + 15)
    await expect.poll(async () => (await rest.get<{ items: unknown[] }>('/v1/messages?limit=500')).items).toEqual([])
    const counts = await rest.get<{ items: Array<{ messages: number; bytes: number }> }>('/v1/topics?limit=500')
    expect(counts.items.every((topic) => topic.messages === 0 && topic.bytes === 0)).toBe(true)
  },
  240_000,
)
