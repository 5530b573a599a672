import { expect, test } from 'vitest'
import { createHub, type Hub, type HubLog } from '../../src/log/hub.ts'
import type { StoredMessage } from '../../src/model/message.ts'
import { matchesTopic, topicFilter } from '../../src/model/topic.ts'
import { storedMessage } from '../fixtures/messages.ts'

const limits = { maxRingMessages: 3, maxRingBytes: 1_000_000, maxReadMessages: 2, clientSharePercent: 25 }
const maxBytes = 1_000_000

/** A log in an array, and how often it was read. */
function arrayLog(messages: StoredMessage[]): HubLog & { reads: number } {
  return {
    reads: 0,
    position: async () => ({ epoch: 'e1', tip: messages.at(-1)?.seq ?? 0 }),
    async read({ after, through, topics, limit }) {
      this.reads++
      const matching = messages.filter(({ seq, topic }) => seq > after && seq <= through && matchesTopic(topics, topic)).slice(0, limit)
      return { messages: matching, scanned: matching.length === limit ? (matching.at(-1)?.seq ?? through) : through }
    },
  }
}

async function readAll(hub: Hub, after: number, filter = topicFilter(['>'])): Promise<number[]> {
  const seqs: number[] = []
  while (after < hub.tip) {
    const step = await hub.read(after, filter, maxBytes)
    expect(step.scanned).toBeGreaterThan(after)
    seqs.push(...step.entries.map(({ message }) => message.seq))
    after = step.scanned
  }
  return seqs
}

test('reads recent messages from memory and older ones from the store, as one sequence', async () => {
  const stored = [1, 2, 4].map((seq) => storedMessage(seq))
  const log = arrayLog(stored)
  const hub = createHub({ limits }, { log })
  await hub.start()
  const fresh = [5, 6, 7, 8].map((seq) => storedMessage(seq))
  hub.append(4, fresh)
  stored.push(...fresh)
  expect(await readAll(hub, 5)).toEqual([6, 7, 8])
  expect(log.reads).toBe(0)
  expect(await readAll(hub, 0)).toEqual([1, 2, 4, 5, 6, 7, 8])
  expect(log.reads).toBeGreaterThan(0)
})

test('has the store read for a few subscribers at a time, and for those of another client before more of the same', async () => {
  const open: Array<() => void> = []
  const stored = [storedMessage(1)]
  const log = arrayLog(stored)
  const hub = createHub({ limits }, { log: { ...log, read: (query) => new Promise((answer) => open.push(() => answer(log.read(query)))) } })
  await hub.start()
  hub.append(5, [storedMessage(6)])
  const done: string[] = []
  const read = (client: string) => Promise.resolve(hub.read(0, topicFilter(['nothing']), maxBytes, 0, client)).then(() => done.push(client))
  const turn = () => new Promise((resolve) => setImmediate(resolve))
  const all = Array.from({ length: 20 }, () => read('busy'))
  await turn()
  expect(open).toHaveLength(3)
  all.push(read('other'))
  await turn()
  expect(open).toHaveLength(4)
  open.splice(3, 1)[0]?.()
  await all.at(-1)
  expect(done).toEqual(['other'])
  for (let steps = 0; done.length < all.length; steps++) {
    expect(open.length).toBeLessThanOrEqual(4)
    expect(steps).toBeLessThan(100)
    for (const answer of open.splice(0)) answer()
    await turn()
  }
})

test('answers only what the filter asks for', async () => {
  const hub = createHub({ limits }, { log: arrayLog([]) })
  await hub.start()
  hub.append(0, [storedMessage(1, 'a'), storedMessage(2, 'a.b'), storedMessage(3, 'b')])
  expect(await readAll(hub, 0, topicFilter(['a']))).toEqual([1])
  expect(await readAll(hub, 0, topicFilter(['a', 'a.*']))).toEqual([1, 2])
  expect(await readAll(hub, 0, topicFilter(['c']))).toEqual([])
})

test('compares a bounded number of messages in one read of the memory, and goes on where it ended', async () => {
  const hub = createHub({ limits: { ...limits, maxRingMessages: 1_000 } }, { log: arrayLog([]) })
  await hub.start()
  const messages = Array.from({ length: 1_000 }, (_, index) => storedMessage(index + 1, 'a.b'))
  hub.append(0, messages)
  const filter = topicFilter(Array.from({ length: 100 }, (_, number) => `*.x${number}`))
  const first = await hub.read(0, filter, maxBytes)
  expect(first.entries).toEqual([])
  expect(first.scanned).toBeLessThan(500)
  expect(await readAll(hub, 0, filter)).toEqual([])
  expect(await readAll(hub, 0, topicFilter(['*.b', ...filter.patterns]))).toEqual(messages.map(({ seq }) => seq))
})

test('wakes the followers of a batch once, with the first message that concerns each', async () => {
  const hub = createHub({ limits }, { log: arrayLog([]) })
  await hub.start()
  const woken: string[] = []
  hub.follow(topicFilter(['a']), (first) => woken.push(`a ${first}`))
  hub.follow(topicFilter(['b.>', 'a']), (first) => woken.push(`b.>,a ${first}`))
  const unfollow = hub.follow(topicFilter(['c']), (first) => woken.push(`c ${first}`))
  hub.append(0, [storedMessage(1, 'c'), storedMessage(2, 'a'), storedMessage(3, 'b.b'), storedMessage(4, 'a')])
  expect(woken.sort()).toEqual(['a 2', 'b.>,a 2', 'c 1'])
  unfollow()
  hub.append(4, [storedMessage(5, 'c')])
  expect(woken).toHaveLength(3)
})

test('reads from the store what another gateway appended in between', async () => {
  const stored = [storedMessage(1)]
  const log = arrayLog(stored)
  const hub = createHub({ limits }, { log })
  await hub.start()
  hub.append(1, [storedMessage(2)])
  stored.push(storedMessage(2), storedMessage(3, 'elsewhere'), storedMessage(4))
  const woken: number[] = []
  hub.follow(topicFilter(['elsewhere']), (first) => woken.push(first))
  hub.append(3, [storedMessage(4)])
  expect(woken).toEqual([3])
  expect(await readAll(hub, 2)).toEqual([3, 4])
})

test('a reader that is ahead of it, since another gateway has served it, is not led back', async () => {
  const hub = createHub({ limits }, { log: arrayLog([]) })
  await hub.start()
  hub.append(0, [storedMessage(1)])
  expect(await hub.read(3, topicFilter(['>']), maxBytes)).toEqual({ entries: [], scanned: 3 })
  const woken: number[] = []
  hub.follow(topicFilter(['>']), (first) => woken.push(first))
  hub.append(1, [storedMessage(2), storedMessage(3), storedMessage(4)])
  expect(await readAll(hub, 3)).toEqual([4])
  expect(woken).toEqual([2])
})

/** A hub whose log has five messages, of which its memory has the last three. */
async function hubOfFive() {
  const stored = [1, 2].map((seq) => storedMessage(seq))
  const log = arrayLog(stored)
  const hub = createHub({ limits: { ...limits, maxReadMessages: 10 } }, { log })
  await hub.start()
  const remove = (seq: number) => void stored.splice(0, stored.length, ...stored.filter((message) => message.seq !== seq))
  const append = (...seqs: number[]) => {
    const fresh = seqs.map((seq) => storedMessage(seq))
    stored.push(...fresh)
    return fresh
  }
  hub.append(2, append(3, 4, 5))
  return { hub, log, append, remove }
}

test('what is deleted is not read any more, neither from memory nor by a read that had begun', async () => {
  const { hub, log, remove } = await hubOfFive()
  remove(4)
  hub.delete(4)
  expect(await readAll(hub, 2)).toEqual([3, 5])
  const read = log.read.bind(log)
  const begun = Promise.withResolvers<void>()
  const gate = Promise.withResolvers<void>()
  log.read = async (query) => {
    const step = await read(query)
    begun.resolve()
    await gate.promise
    return step
  }
  const late = readAll(hub, 0)
  await begun.promise
  remove(2)
  hub.delete(2)
  gate.resolve()
  expect(await late).toEqual([1, 3, 5])
})

test('what is deleted before it arrives here is not read, and those that follow it read from the store', async () => {
  const { hub, log, append, remove } = await hubOfFive()
  const woken: number[] = []
  hub.follow(topicFilter(['>']), (first) => void woken.push(first))
  const fresh = append(6, 7)
  remove(6)
  hub.delete(6)
  hub.append(5, fresh)
  expect(woken).toEqual([6])
  const before = log.reads
  expect([await readAll(hub, 5), log.reads - before]).toEqual([[7], 1])
  hub.append(7, append(8))
  expect(await readAll(hub, 7)).toEqual([8])
  hub.forget()
  expect([await readAll(hub, 7), log.reads - before]).toEqual([[8], 2])
})

/** A hub with so many messages in memory. */
async function hubOf(messages: number) {
  const hub = createHub({ limits: { ...limits, maxRingMessages: messages, maxReadMessages: messages } }, { log: arrayLog([]) })
  await hub.start()
  hub.append(
    0,
    Array.from({ length: messages }, (_, at) => storedMessage(at + 1)),
  )
  return hub
}

test('one client’s reads with many patterns are for several turns of the event loop, and those of others are not', async () => {
  const hub = await hubOf(500)
  const patterns = topicFilter(Array.from({ length: 100 }, (_, number) => `${number}.*`))
  const read = (client: string) => hub.read(0, patterns, maxBytes, 0, client)
  const steps = Array.from({ length: 20 }, () => read('busy'))
  const atOnce = steps.filter((step) => !(step instanceof Promise)).length
  expect(atOnce).toBeGreaterThan(0)
  expect(atOnce).toBeLessThan(10)
  expect(read('other')).not.toBeInstanceOf(Promise)
  for (const step of await Promise.all(steps)) expect(step.scanned).toBeGreaterThan(0)
})

test('reads of topics alone are at once, however many subscribers a client has', async () => {
  const hub = await hubOf(500)
  const steps = Array.from({ length: 300 }, () => hub.read(0, topicFilter(['nothing']), maxBytes, 0, 'busy'))
  expect(steps.filter((step) => step instanceof Promise)).toEqual([])
})
