import { expect, onTestFinished, test } from 'vitest'
import { encodeMessages, encodePage } from '../../src/catch-up/history-protocol.ts'
import { messageId, type SignedMessage } from '../../src/model/signed-message.ts'
import { createParty, memoryNode } from '../fixtures/party.ts'
import { impostor, join, stored } from './parties-that-catch-up.ts'

const idOf = ({ from, sequence }: SignedMessage) => messageId(from, sequence)

/** Messages of one author, each first received a second after the one before. */
async function authored(count: number) {
  const author = await memoryNode()
  await author.start()
  onTestFinished(() => author.stop())
  const texts = Array.from({ length: count }, (_, number) => `${number}`)
  const messages = await author.sign(texts.map((data) => ({ topic: 'orders', data: Buffer.from(data) })))
  const firstSeenAt = Date.now() - 1_000 * count
  return messages.map((message, number) => ({ message, firstSeenAt: firstSeenAt + 1_000 * number }))
}

type Kept = Awaited<ReturnType<typeof authored>>

/** A log that is listed in pages of two messages. */
const logOf = (kept: Kept) => (request: Parameters<Parameters<typeof impostor>[1]>[0]) => {
  if (request.type === 'get') return encodeMessages(kept.flatMap(({ message }) => (request.ids.includes(idOf(message)) ? message : [])))
  const from = Number(request.after?.slice(1) ?? 0)
  const items = kept.slice(from, from + 2).map(({ message, firstSeenAt }) => {
    return { id: idOf(message), topic: message.topic, bytes: message.data.length, ageMs: Date.now() - firstSeenAt }
  })
  return encodePage({ items, next: `x${from + items.length}`, caughtUp: from + items.length === kept.length }, request.topics)
}

async function joinedLongAgo() {
  const party = await createParty({ limits: { historyBeforeJoinMs: 600_000 } })
  await join([party])
  return party
}

test('messages of an author come in order though the log of one peer has the earlier ones, on several pages, and that of another the later', async () => {
  const there = await joinedLongAgo()
  const kept = await authored(10)
  await Promise.all([impostor(there, logOf(kept.slice(0, 7))), impostor(there, logOf(kept.slice(7)))])
  const texts = kept.map(({ message }) => Buffer.from(message.data).toString())
  await expect.poll(async () => (await stored(there)).length, { timeout: 20_000 }).toBe(texts.length)
  expect(await stored(there)).toEqual(texts)
})

test('logs that have all messages of an author, with others between them, are merged in order however many pages they have', async () => {
  const there = await joinedLongAgo()
  const [shared, one, other] = [await authored(12), await authored(9), await authored(15)]
  const mixed = (...lists: Kept[]) => lists.flat().toSorted((a, b) => a.firstSeenAt - b.firstSeenAt)
  await Promise.all([mixed(shared, one), mixed(shared, other), shared].map((log) => impostor(there, logOf(log))))
  await expect.poll(async () => (await stored(there)).length, { timeout: 20_000 }).toBe(36)
  const all = await there.rest.history('topic=orders')
  for (const kept of [shared, one, other]) {
    const author = kept[0]?.message.from
    expect(all.filter(({ from }) => from === author).map(({ id }) => id)).toEqual(kept.map(({ message }) => idOf(message)))
  }
})
