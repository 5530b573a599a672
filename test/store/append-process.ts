import { createInterface } from 'node:readline'
import { storedMessage } from '../fixtures/messages.ts'
import { sqliteStore } from './sqlite-place.ts'

/** A process that appends batch after batch, and says the newest number of each once it was acknowledged. Ends with its input. */
const store = sqliteStore(process.argv[2] ?? '')
await store.start()
createInterface({ input: process.stdin }).once('close', () => process.exit(0))
const { tip } = await store.log.position()
for (let number = tip + 1; ; number += 10) {
  const { entries } = await store.log.append(Array.from({ length: 10 }, (_, index) => storedMessage(number + index)))
  await store.log.markSent('author', number)
  process.stdout.write(`${entries.at(-1)?.message?.seq}\n`)
  await new Promise(setImmediate)
}
