import { setTimeout as delay } from 'node:timers/promises'
import { expect, onTestFinished, test, vi } from 'vitest'
import type { EngineEvent, Inbound, P2PEngine } from '../../src/engine/engine.ts'
import { createWatchers } from '../../src/lib/watchers.ts'
import { messageId, type SignedMessage } from '../../src/model/signed-message.ts'
import { createMemoryDisk, createMemoryStore } from '../fixtures/memory-store.ts'
import { createParty, linkParties, memoryNode, type Party } from '../fixtures/party.ts'

const stored = async ({ rest }: Party) => (await rest.history('topic=orders')).map(({ data }) => data)

async function joined(): Promise<Party> {
  const party = await createParty()
  await party.rest.call('PUT', '/v1/topics/orders')
  return party
}

/** An author that is linked to some gateways, and hands its messages to them by itself. */
async function authorAt(...parties: Party[]) {
  const author = await memoryNode()
  await author.start()
  onTestFinished(() => author.stop())
  for (const party of parties) await author.dial(await party.address(), { signal: AbortSignal.timeout(20_000), source: 'rest' })
  return { author, sign: (...texts: string[]) => author.sign(texts.map((data) => ({ topic: 'orders', data: Buffer.from(data) }))) }
}

test('a gateway that comes back has what it missed before what comes now, of each author', async () => {
  const [here, there, witness] = [await joined(), await joined(), await joined()]
  await linkParties(here, witness)
  const texts = Array.from({ length: 100 }, (_, number) => `missed ${number}`)
  for (const text of texts) await here.rest.publish('orders', text)
  await expect.poll(() => stored(witness)).toEqual(texts)
  const { request } = there.engine
  there.engine.request = async (...args) => {
    await delay(300)
    return request(...args)
  }
  await linkParties(there, here)
  await here.rest.publish('orders', 'now')
  await expect.poll(() => stored(there), { timeout: 20_000 }).toContain('now')
  expect(await stored(there)).toEqual([...texts, 'now'])
})

test('messages that stand out of order in a peer’s log are fetched in the order of their author', async () => {
  const [here, there] = [await joined(), await joined()]
  const { author, sign } = await authorAt(here)
  const [first, second, third] = await sign('first', 'second', 'third')
  if (first === undefined || second === undefined || third === undefined) throw new Error('not signed')
  for (const [index, message] of [third, first, second].entries()) {
    await author.send([message])
    await expect.poll(async () => (await stored(here)).length).toBe(index + 1)
  }
  await linkParties(there, here)
  await expect.poll(async () => (await stored(there)).length).toBe(3)
  expect([await stored(here), await stored(there)]).toEqual([
    ['third', 'first', 'second'],
    ['first', 'second', 'third'],
  ])
})

/** A gateway with some of an author's messages, to which the author is linked no longer. */
async function keeper(author: P2PEngine, ...messages: SignedMessage[]): Promise<Party> {
  const party = await joined()
  await author.dial(await party.address(), { signal: AbortSignal.timeout(20_000), source: 'rest' })
  await author.send(messages)
  await expect.poll(async () => (await stored(party)).length).toBe(messages.length)
  await author.hangUp(party.peerId)
  return party
}

test('a page of one peer waits until others that are asked first have listed what they have', async () => {
  const there = await joined()
  const { author, sign } = await authorAt()
  const [first, second] = await sign('first', 'second')
  if (first === undefined || second === undefined) throw new Error('not signed')
  const [early, late] = [await keeper(author, first), await keeper(author, second)]
  const { request } = there.engine
  const given = Promise.withResolvers<void>()
  onTestFinished(() => given.resolve())
  let requests = 0
  there.engine.request = async (...args) => {
    if (args[0] === early.peerId) {
      // The other peer has listed and given what it has.
      await given.promise
      await delay(300)
      return request(...args)
    }
    const answer = await request(...args)
    if (++requests === 2) given.resolve()
    return answer
  }
  await Promise.all([linkParties(there, early), linkParties(there, late)])
  await expect.poll(async () => (await stored(there)).length, { timeout: 20_000 }).toBe(2)
  expect(await stored(there)).toEqual(['first', 'second'])
})

test('what is fetched does not wait for peers that wait until others have been asked', async () => {
  const there = await createParty({ limits: { maxHistoryRounds: 1, orderWaitMs: 600_000 } })
  await there.rest.call('PUT', '/v1/topics/orders')
  const { author, sign } = await authorAt()
  const [first, second] = await sign('first', 'second')
  if (first === undefined || second === undefined) throw new Error('not signed')
  const keepers = [await keeper(author, first), await keeper(author, second)]
  await Promise.all(keepers.map((each) => linkParties(there, each)))
  await expect.poll(async () => (await stored(there)).toSorted(), { timeout: 60_000 }).toEqual(['first', 'second'])
})

test('a live message waits for an earlier one that a peer has listed', async () => {
  const [here, there] = [await joined(), await joined()]
  const { author, sign } = await authorAt(there)
  await author.hangUp(there.peerId)
  await author.dial(await here.address(), { signal: AbortSignal.timeout(20_000), source: 'rest' })
  const [missed, live] = await sign('missed', 'live')
  if (missed === undefined || live === undefined) throw new Error('not signed')
  await author.send([missed])
  await expect.poll(() => stored(here)).toEqual(['missed'])
  // It has been linked for long, so nothing is held; its next round finds what it missed.
  const other = await joined()
  await linkParties(there, other)
  await delay(400)
  const { now } = performance
  const later = vi.spyOn(performance, 'now').mockImplementation(() => now.call(performance) + 5_000)
  onTestFinished(() => later.mockRestore())
  const { request } = there.engine
  const fetching = Promise.withResolvers<void>()
  let requests = 0
  there.engine.request = async (...args) => {
    // The first asks what there is, the second for the message.
    if (++requests === 2) {
      fetching.resolve()
      await delay(300)
    }
    return request(...args)
  }
  await linkParties(there, here)
  await fetching.promise
  await author.hangUp(here.peerId)
  await author.dial(await there.address(), { signal: AbortSignal.timeout(20_000), source: 'rest' })
  await author.send([live])
  await expect.poll(async () => (await stored(there)).length).toBe(2)
  expect(await stored(there)).toEqual(['missed', 'live'])
})

/** The first request of a gateway asks what there is, the second one is for messages, and waits. */
function holdFetch({ engine }: Party) {
  const { request } = engine
  const [fetching, given] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  onTestFinished(() => given.resolve())
  let requests = 0
  engine.request = async (...args) => {
    if (++requests === 2) {
      fetching.resolve()
      await given.promise
    }
    return request(...args)
  }
  return { fetching, given }
}

test('a live message waits on for an earlier one that a peer has listed, while it is being fetched', async () => {
  const { engine, notices } = await hardOfHearing()
  const there = await createParty({ engine, limits: { orderWaitMs: 100 } })
  await there.rest.call('PUT', '/v1/topics/orders')
  const here = await joined()
  const { author, sign } = await authorAt(here)
  const other = await authorAt(there)
  const [missed, live] = await sign('missed', 'live')
  const [unsent, last] = await other.sign('unsent', 'of another author')
  if (missed === undefined || live === undefined || unsent === undefined || last === undefined) throw new Error('not signed')
  await author.send([missed])
  await expect.poll(() => stored(here)).toEqual(['missed'])
  const { fetching, given } = holdFetch(there)
  await linkParties(there, here)
  await fetching.promise
  await author.hangUp(here.peerId)
  await author.dial(await there.address(), { signal: AbortSignal.timeout(20_000), source: 'rest' })
  await author.send([live])
  // This one comes later, and has waited as long as it may for one that is not being fetched.
  notices.tell({ type: 'message:announced', peerId: other.author.peerId, ids: [messageId(unsent.from, unsent.sequence)] })
  await other.author.send([last])
  await expect.poll(() => stored(there), { timeout: 20_000 }).toContain('of another author')
  expect(await stored(there)).toEqual(['of another author'])
  given.resolve()
  await expect.poll(async () => (await stored(there)).length, { timeout: 20_000 }).toBe(3)
  expect(await stored(there)).toEqual(['of another author', 'missed', 'live'])
})

/** An engine whose notices a test can tell itself, and which hears nothing of some messages. */
async function hardOfHearing(...unheard: string[]) {
  const engine = await memoryNode()
  const { listen, receive } = engine
  const notices = createWatchers<[event: EngineEvent]>()
  engine.listen = (listener) => {
    notices.watch(listener)
    return listen(listener)
  }
  engine.receive = ({ onMessage, ...inbound }) =>
    receive({
      ...inbound,
      onMessage: async (message) => (unheard.includes(Buffer.from(message.data).toString()) ? 'ignore' : await onMessage(message)),
    })
  return { engine, notices }
}

test('a live message waits for one that a peer has announced and not sent, until the log of the peer was read', async () => {
  const { engine, notices } = await hardOfHearing('lost')
  const there = await createParty({ engine, limits: { orderWaitMs: 600_000, validateTimeoutMs: 600_000 } })
  await there.rest.call('PUT', '/v1/topics/orders')
  const here = await joined()
  await linkParties(there, here)
  const { author, sign } = await authorAt(here)
  const [first, lost, live, unsent, last] = await sign('first', 'lost', 'live', 'unsent', 'last')
  if (first === undefined || lost === undefined || live === undefined || unsent === undefined || last === undefined)
    throw new Error('not signed')
  await author.send([first])
  await expect.poll(() => stored(there), { timeout: 20_000 }).toEqual(['first'])
  const tell = (type: 'message:announced' | 'message:missed', { from, sequence }: typeof lost) =>
    notices.tell({ type, peerId: here.peerId, ids: [messageId(from, sequence)] })
  await author.send([lost])
  tell('message:announced', lost)
  await author.send([live])
  await expect.poll(() => stored(here)).toEqual(['first', 'lost', 'live'])
  tell('message:missed', lost)
  await expect.poll(async () => (await stored(there)).length, { timeout: 20_000 }).toBe(3)
  expect(await stored(there)).toEqual(['first', 'lost', 'live'])
  // The log does not have this one either.
  tell('message:announced', unsent)
  await author.send([last])
  await expect.poll(() => stored(here)).toContain('last')
  tell('message:missed', unsent)
  await expect.poll(() => stored(there), { timeout: 20_000 }).toEqual(['first', 'lost', 'live', 'last'])
})

test('a stop waits for what is being fetched, so that live messages come after it', async () => {
  const disk = createMemoryDisk()
  const engine = await memoryNode()
  const { receive } = engine
  let isHeld: Inbound['isHeld']
  engine.receive = (inbound) => {
    isHeld = inbound.isHeld
    receive(inbound)
  }
  const there = await createParty({ engine, store: createMemoryStore(disk), gateway: { settleMs: 600_000 } })
  await there.rest.call('PUT', '/v1/topics/orders')
  const here = await joined()
  const { author, sign } = await authorAt(here)
  const [missed, live] = await sign('missed', 'live')
  if (missed === undefined || live === undefined) throw new Error('not signed')
  await author.send([missed])
  await expect.poll(() => stored(here)).toEqual(['missed'])
  const { fetching, given } = holdFetch(there)
  const { stop } = there.engine
  let isStopped = false
  there.engine.stop = async () => {
    isStopped = true
    await stop()
  }
  await linkParties(there, here)
  await fetching.promise
  await author.hangUp(here.peerId)
  await author.dial(await there.address(), { signal: AbortSignal.timeout(20_000), source: 'rest' })
  await author.send([live])
  await expect.poll(() => isHeld?.(live)).toBe(true)
  const url = there.gateway.url
  const stopping = there.gateway.stop()
  // It serves its clients no longer, and is still linked.
  await expect
    .poll(() =>
      fetch(`${url}/healthz`).then(
        () => 'answers',
        () => 'is closed',
      ),
    )
    .toBe('is closed')
  expect(isStopped).toBe(false)
  given.resolve()
  await stopping
  const { messages } = await createMemoryStore(disk).log.read({ after: 0, order: 'asc', limit: 10 })
  expect(messages.map(({ data }) => Buffer.from(data).toString())).toEqual(['missed', 'live'])
})

test('at a stop, live messages that wait for others are stored, and fetched ones after the next start', async () => {
  const engine = await memoryNode()
  const { listen, receive } = engine
  const notices = createWatchers<[event: EngineEvent]>()
  engine.listen = (listener) => {
    notices.watch(listener)
    return listen(listener)
  }
  const heard: string[] = []
  engine.receive = ({ onMessage }) =>
    receive({
      onMessage(message) {
        heard.push(Buffer.from(message.data).toString())
        return onMessage(message)
      },
    })
  const disk = createMemoryDisk()
  const limits = { orderWaitMs: 600_000, validateTimeoutMs: 600_000 }
  const there = await createParty({ engine, store: createMemoryStore(disk), limits })
  await there.rest.call('PUT', '/v1/topics/orders')
  const here = await joined()
  const { author, sign } = await authorAt(here)
  const [missing, fetched, live] = await sign('missing', 'fetched', 'live')
  if (missing === undefined || fetched === undefined || live === undefined) throw new Error('not signed')
  await author.send([fetched])
  await expect.poll(() => stored(here)).toEqual(['fetched'])
  await here.rest.publish('orders', 'of another author')
  notices.tell({ type: 'message:announced', peerId: author.peerId, ids: [messageId(missing.from, missing.sequence)] })
  await linkParties(there, here)
  // Both are fetched together, and only the one that waits for nothing is stored.
  await expect.poll(() => stored(there)).toEqual(['of another author'])
  await author.hangUp(here.peerId)
  await author.dial(await there.address(), { signal: AbortSignal.timeout(20_000), source: 'rest' })
  await author.send([live])
  await expect.poll(() => heard).toContain('live')
  await there.gateway.stop()
  const { messages } = await createMemoryStore(disk).log.read({ after: 0, order: 'asc', limit: 10 })
  expect(messages.map(({ data }) => Buffer.from(data).toString()).toSorted()).toEqual(['live', 'of another author'])
  const again = await createParty({ store: createMemoryStore(disk) })
  await linkParties(again, here)
  await expect.poll(() => stored(again), { timeout: 20_000 }).toEqual(['of another author', 'live', 'fetched'])
})
