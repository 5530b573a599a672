import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { storedMessage } from '../fixtures/messages.ts'
import { temporaryDirectory } from '../fixtures/temporary.ts'
import { sqliteStore } from './sqlite-place.ts'

const program = fileURLToPath(new URL('./append-process.ts', import.meta.url))

/** Lets a process append, kills it in the middle, and answers the newest number that it had acknowledged. */
async function appendAndKill(directory: string, batches: number): Promise<number> {
  const child = spawn(process.execPath, [program, directory], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const closed = once(child, 'close')
  let acknowledged = 0
  let left = batches
  for await (const line of createInterface({ input: child.stdout })) {
    acknowledged = Number(line)
    if (--left === 0) child.kill('SIGKILL')
  }
  await closed
  return acknowledged
}

test('what was acknowledged survives a kill, and the log goes on behind it', async () => {
  const directory = await temporaryDirectory()
  const epochs = new Set<string>()
  let before = 0
  for (const batches of [3, 20, 50]) {
    const acknowledged = await appendAndKill(directory, batches)
    await using store = sqliteStore(directory)
    await store.start()
    epochs.add(await store.log.epoch())
    const { tip } = await store.log.position()
    expect(acknowledged).toBeGreaterThan(before)
    expect(tip).toBeGreaterThanOrEqual(acknowledged)
    // Batches of ten are there whole or not at all, none is missing, and their topic's record tells of the same.
    expect(tip % 10).toBe(0)
    const { messages } = await store.log.read({ after: 0, order: 'asc', limit: 2_000 })
    expect(messages.map(({ id }) => id)).toEqual(messages.map((_, index) => storedMessage(index + 1).id))
    expect(messages).toHaveLength(Math.min(tip, 2_000))
    expect(await store.topics.get('orders')).toMatchObject({ messages: tip, latest: tip })
    before = tip
  }
  expect(epochs.size).toBe(1)
})
