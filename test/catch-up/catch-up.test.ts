import { setTimeout as delay } from 'node:timers/promises'
import { peerIdFromString } from '@libp2p/peer-id'
import { describe, expect, onTestFinished, test } from 'vitest'
import {
  decodeHistoryRequest,
  decodeMessages,
  decodePage,
  encodeBusy,
  encodeHistoryRequest,
  encodeMessages,
  encodePage,
  type HistoryRequest,
  historyProtocol,
} from '../../src/catch-up/history-protocol.ts'
import type { P2PEngine } from '../../src/engine/engine.ts'
import { defaultLimits } from '../../src/limits.ts'
import { createMessageSigner, messageId, type SignedMessage } from '../../src/model/signed-message.ts'
import { createMemoryIdentity } from '../fixtures/memory-identity.ts'
import { createMemoryDisk, createMemoryStore } from '../fixtures/memory-store.ts'
import { createParties, createParty, linkParties, memoryNode, type Party } from '../fixtures/party.ts'
import { openStream } from '../fixtures/stream-client.ts'

const often = { historyIntervalMs: 100 }

const stored = async ({ rest }: Party, topic = 'orders') => (await rest.history(`topic=${topic}`)).map(({ data }) => data)
const counter = async ({ gateway }: Party, name: string) =>
  Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(await (await fetch(`${gateway.url}/metrics`)).text())?.[1])
const outcomes = async ({ gateway }: Party) => {
  const text = await (await fetch(`${gateway.url}/metrics`)).text()
  const lines = text.matchAll(/^peergate_received_past_messages_total\{outcome="(\w+)"\} (\d+)$/gm)
  return Object.fromEntries(Array.from(lines, ([, name, count]) => [name, Number(count)]))
}

async function part(one: Party, other: Party): Promise<void> {
  await one.engine.hangUp(other.peerId)
}

async function join(parties: Party[], topic = 'orders'): Promise<void> {
  for (const { rest } of parties) await rest.call('PUT', `/v1/topics/${topic}`)
}

describe('a gateway that was away', () => {
  test('fetches what it missed when it is back, in the order of the other log, and its clients get it once', async () => {
    const { here, there } = await createParties()
    await join([here, there])
    await using follower = await openStream(there.gateway.url, { query: '?topic=orders' })
    await here.rest.publish('orders', 'before')
    await follower.until(() => follower.messages.length === 1)
    await part(here, there)
    const third = await createParty()
    await linkParties(third, here)
    await join([third])
    // Handed to somebody, so that they do not wait for the one that is away.
    const missed = Array.from({ length: 700 }, (_, number) => `missed ${number}`)
    for (const data of missed) await here.rest.publish('orders', data)
    await there.rest.publish('orders', 'own')
    await linkParties(there, here)
    await follower.until(() => follower.messages.length === 702)
    expect(follower.messages.map(({ data }) => data)).toEqual(['before', 'own', ...missed])
    expect(await stored(there)).toEqual(['before', 'own', ...missed])
    expect(await outcomes(there)).toEqual({ stored: 700, known: 0, refused: 0 })
    // And the other way.
    await expect.poll(() => stored(third)).toContain('own')
    expect((await stored(third)).toSorted()).toEqual(['own', ...missed].toSorted())
  })

  test('gets bytes, empty data and large messages as their authors signed them, with the time of their reception', async () => {
    const { here, there } = await createParties({ limits: often }, { limits: often })
    await join([here, there])
    await part(here, there)
    const author = await memoryNode()
    await author.start()
    onTestFinished(() => author.stop())
    await author.dial(await here.address(), { signal: AbortSignal.timeout(20_000), source: 'rest' })
    const messages = await author.sign(
      [Buffer.from([0, 255]), Buffer.alloc(1_000_000, 7), Buffer.alloc(0)].map((data) => ({ topic: 'orders', data })),
    )
    await author.send(messages)
    await expect.poll(async () => (await stored(here)).length).toBe(3)
    const before = Date.now()
    await linkParties(there, here)
    await expect.poll(async () => (await stored(there)).length).toBe(3)
    const [ours, theirs] = [await here.rest.history('topic=orders'), await there.rest.history('topic=orders')]
    const fields = ({ id, data, encoding, signature, from }: (typeof ours)[number]) => ({ id, data, encoding, signature, from })
    expect(theirs.map(fields)).toEqual(ours.map(fields))
    for (const { receivedAt } of theirs) expect(Date.parse(receivedAt)).toBeGreaterThanOrEqual(before)
  })

  test('fetches what got lost on a link that held, sooner or later', async () => {
    const { here, there } = await createParties({ limits: often })
    await join([here, there])
    const { send } = here.engine
    here.engine.send = async (messages) => messages.map(() => 1)
    await here.rest.publish('orders', 'lost')
    here.engine.send = send
    await expect.poll(() => stored(there)).toEqual(['lost'])
  })

  test('fetches what a peer has announced and not sent soon, not when its next round is due', async () => {
    const node = await memoryNode()
    const { listen, request } = node
    const listeners: Parameters<P2PEngine['listen']>[0][] = []
    node.listen = (listener) => {
      listeners.push(listener)
      return listen(listener)
    }
    let asked = 0
    node.request = async (...args) => {
      asked++
      return await request(...args)
    }
    const { here, there } = await createParties({ engine: node })
    await join([here, there])
    // The rounds after the link and the subscriptions.
    await expect.poll(() => asked).toBeGreaterThan(0)
    await delay(1_500)
    const { send } = here.engine
    here.engine.send = async (messages) => messages.map(() => 1)
    const { id } = await here.rest.publish('orders', 'lost')
    here.engine.send = send
    for (const listener of listeners) listener({ type: 'message:missed', peerId: here.peerId, ids: [id] })
    await expect.poll(() => stored(there)).toEqual(['lost'])
  })

  test('fetches what came right after it joined, from a peer that is slow to answer', async () => {
    const { here, there } = await createParties({ limits: often })
    const { request } = there.engine
    there.engine.request = async (...args) => {
      await delay(500)
      return request(...args)
    }
    await join([here, there])
    const { send } = here.engine
    here.engine.send = async (messages) => messages.map(() => 1)
    await here.rest.publish('orders', 'lost')
    here.engine.send = send
    await expect.poll(() => stored(there)).toEqual(['lost'])
  })

  test('fetches nothing from before it joined, unless it is told to', async () => {
    const { here, there } = await createParties({ limits: often })
    await join([here])
    await part(here, there)
    const witness = await createParty()
    await join([witness])
    await linkParties(witness, here)
    await here.rest.publish('orders', 'early')
    await here.rest.publish('other', 'of a topic that is not shared')
    await expect.poll(() => stored(witness)).toEqual(['early'])
    await join([there])
    const curious = await createParty({ limits: { ...often, historyBeforeJoinMs: 60_000 } })
    await join([curious])
    await linkParties(there, here)
    await linkParties(curious, here)
    await expect.poll(() => stored(curious)).toEqual(['early'])
    await here.rest.publish('orders', 'now')
    await expect.poll(() => stored(there)).toEqual(['now'])
    expect(await stored(there, 'other')).toEqual([])
  })

  test('fetches from an author what it published without a join, and from a gateway that has left the topic', async () => {
    const author = await createParty({ limits: { ...often, maxJoinedTopics: 1 } })
    const { here, there } = await createParties({ limits: often }, { limits: often })
    await linkParties(author, there)
    await linkParties(author, here)
    await join([author], 'full')
    await join([here, there])
    await expect.poll(async () => (await author.engine.subscribers('orders')).length).toBe(2)
    for (const other of [author, here]) await part(there, other)
    const missed = Array.from({ length: 20 }, (_, number) => `missed ${number}`)
    for (const data of missed) await author.rest.publish('orders', data)
    expect(await author.engine.topics()).toEqual(['full'])
    await expect.poll(() => stored(here)).toEqual(missed)
    await linkParties(there, author)
    await expect.poll(() => stored(there)).toEqual(missed)
    await author.rest.publish('orders', 'live')
    await expect.poll(() => stored(there)).toEqual([...missed, 'live'])
    expect(await outcomes(there)).toMatchObject({ stored: 20, refused: 0 })
    // And from the one in the middle, by a gateway that the author has no link to.
    await here.rest.call('DELETE', '/v1/topics/orders')
    const late = await createParty({ limits: { ...often, historyBeforeJoinMs: 60_000 } })
    await join([late])
    await linkParties(late, here)
    await expect.poll(() => stored(late)).toEqual([...missed, 'live'])
  })

  test('asks a peer that has joined none of its topics, also when it joins one later', async () => {
    const author = await createParty({ limits: { ...often, maxJoinedTopics: 1 } })
    await join([author], 'full')
    const witness = await createParty()
    await join([witness])
    await linkParties(witness, author)
    await expect.poll(async () => (await author.engine.subscribers('orders')).length).toBe(1)
    await author.rest.publish('orders', 'missed')
    await expect.poll(() => stored(witness)).toEqual(['missed'])
    const there = await createParty({ limits: { ...often, historyBeforeJoinMs: 60_000 } })
    await linkParties(there, author)
    await join([there])
    await expect.poll(() => stored(there)).toEqual(['missed'])
  })

  test('goes on where it was after a restart, and fetches again from a peer whose log is another one', async () => {
    const disk = createMemoryDisk()
    const source = createMemoryDisk()
    const there = await createParty({ store: createMemoryStore(disk) })
    const here = await createParty({ store: createMemoryStore(source) })
    await join([here, there])
    await linkParties(there, here)
    await here.rest.publish('orders', 'first')
    await expect.poll(() => stored(there)).toEqual(['first'])
    const reached = () => disk.records.get(`history/${here.peerId}`)
    await expect.poll(() => Buffer.from(reached() ?? []).toString()).toContain('memory.')
    await part(here, there)
    source.epoch = 'restored'
    const [second] = await here.engine.sign([{ topic: 'orders', data: Buffer.from('second') }])
    if (second === undefined) throw new Error('nothing was signed')
    await createMemoryStore(source).log.append([{ ...second, id: messageId(second.from, second.sequence), receivedAt: Date.now() }])
    await linkParties(there, here)
    await expect.poll(() => stored(there)).toEqual(['first', 'second'])
    await expect.poll(() => Buffer.from(reached() ?? []).toString()).toContain('restored.')
  })

  test('has what it fetches judged by its validators, and judges nothing twice', async () => {
    const { here, there } = await createParties({ limits: often })
    await join([here, there])
    await part(here, there)
    const witness = await createParty({ limits: often })
    await join([witness])
    await linkParties(witness, here)
    await using moderator = await openStream(there.gateway.url)
    const asked: string[] = []
    let handled = 0
    moderator.socket.on('message', () => {
      for (; handled < moderator.frames.length; handled++) {
        const frame = moderator.frames[handled]
        if (frame?.type !== 'validation') continue
        asked.push(String(frame.message.data))
        moderator.send({ type: 'verdict', validationId: frame.validationId, verdict: frame.message.data === 'bad' ? 'reject' : 'accept' })
      }
    })
    moderator.send({ type: 'validate', topic: 'orders', deadlineMs: 2_000 })
    await moderator.expect('validating')
    for (const data of ['bad', 'good']) await here.rest.publish('orders', data)
    await expect.poll(() => stored(witness)).toEqual(['bad', 'good'])
    await linkParties(there, here)
    await expect.poll(() => stored(there)).toEqual(['good'])
    expect(await outcomes(there)).toEqual({ stored: 1, known: 0, refused: 1 })
    await linkParties(there, witness)
    await here.rest.publish('orders', 'last')
    await expect.poll(() => stored(there)).toEqual(['good', 'last'])
    await expect.poll(async () => (await there.engine.peers()).length).toBe(2)
    await there.rest.publish('orders', 'ours')
    await expect.poll(() => stored(witness)).toContain('ours')
    expect(asked).toEqual(['bad', 'good', 'last'])
  })

  test('does not fetch what its validator has just rejected, also when the validator goes at once', async () => {
    const disk = createMemoryDisk()
    const { here, there } = await createParties({ store: createMemoryStore(disk), limits: { historyIntervalMs: 10 } })
    await join([here, there])
    await using moderator = await openStream(there.gateway.url)
    moderator.send({ type: 'validate', topic: 'orders' })
    await moderator.expect('validating')
    const bad = await here.rest.publish('orders', 'bad')
    const { validationId } = await moderator.expect('validation')
    moderator.send({ type: 'verdict', id: 1, validationId, verdict: 'reject' })
    await moderator.expect('judged')
    moderator.socket.terminate()
    await here.rest.publish('orders', 'good')
    await expect.poll(() => stored(there)).toContain('good')
    // Until it was offered and was noted, in this order or the other.
    await expect.poll(() => [...disk.seen.keys()]).toEqual([bad.id])
    expect(await stored(there)).toEqual(['good'])
  })

  test('gets its own messages back that its log has lost', async () => {
    const { here, there } = await createParties({ limits: often }, { limits: often })
    await join([here, there])
    await here.rest.publish('orders', 'lost at home')
    await expect.poll(() => stored(there)).toEqual(['lost at home'])
    const [own] = await here.engine.sign([{ topic: 'orders', data: Buffer.from('only abroad') }])
    await here.engine.send(own === undefined ? [] : [own])
    await expect.poll(() => stored(there)).toEqual(['lost at home', 'only abroad'])
    await expect.poll(() => stored(here)).toEqual(['lost at home', 'only abroad'])
  })
})

test('gateways of one database fetch nothing from each other', async () => {
  const disk = createMemoryDisk()
  const one = await createParty({ store: createMemoryStore(disk), limits: often })
  const other = await createParty({ store: createMemoryStore(disk), limits: often })
  await join([one, other])
  await linkParties(one, other)
  await one.rest.publish('orders', 'x')
  await expect.poll(() => stored(other)).toEqual(['x'])
  const witness = await createParty({ limits: often })
  await join([witness])
  await linkParties(witness, one)
  await expect.poll(() => [...disk.records.keys()]).toContain(`history/${witness.peerId}`)
  expect([...disk.records.keys()]).toEqual([`history/${witness.peerId}`])
})

test('with PEERGATE_HISTORY=false a gateway neither asks nor answers', async () => {
  const { here, there } = await createParties({ gateway: { catchUp: false }, limits: often }, { limits: often })
  await join([here, there])
  const ask = there.engine.request(here.peerId, historyProtocol, encodeHistoryRequest(list), requestOptions())
  await expect(ask).resolves.toBeDefined()
  await expect(here.engine.request(there.peerId, historyProtocol, encodeHistoryRequest(list), requestOptions())).rejects.toThrow()
})

const list: HistoryRequest = { type: 'list', topics: ['orders'], after: null, maxAgeMs: 60_000 }
const requestOptions = () => ({ signal: AbortSignal.timeout(20_000), maxAnswerBytes: 1_000_000 })

/** A peer that offers what the test says. */
async function impostor(victim: Party, offer: (request: HistoryRequest) => Uint8Array | Promise<Uint8Array>): Promise<P2PEngine> {
  const engine = await memoryNode()
  await engine.start()
  onTestFinished(() => engine.stop())
  await engine.handle(historyProtocol, async ({ body }) => offer(decodeHistoryRequest(body)), {
    maxRequestBytes: 1_000_000,
    maxConcurrent: 9,
  })
  await engine.subscribe('orders')
  await engine.dial(await victim.address(), { signal: AbortSignal.timeout(20_000), source: 'rest' })
  return engine
}

/** A node that takes messages and passes nothing on. */
async function sink(party: Party): Promise<void> {
  const engine = await memoryNode()
  await engine.start()
  onTestFinished(() => engine.stop())
  await engine.subscribe('orders')
  await engine.dial(await party.address(), { signal: AbortSignal.timeout(20_000), source: 'rest' })
}

/** What an author has signed who is nobody's peer. */
async function strangers(count: number, bytes: number): Promise<SignedMessage[]> {
  const { peerId, seed } = await createMemoryIdentity()
  const signer = createMessageSigner(peerId, seed)
  return Array.from({ length: count }, (_, number) => signer.sign(BigInt(number + 1), 'orders', Buffer.alloc(bytes, number)))
}

const entry = ({ from, sequence, topic, data }: SignedMessage) => ({ id: messageId(from, sequence), topic, bytes: data.length, ageMs: 0 })

describe('a peer that lies', () => {
  test.each<[string, (message: SignedMessage, other: SignedMessage) => SignedMessage[]]>([
    ['an altered message', (message) => [{ ...message, data: Buffer.from('altered!') }]],
    ['a forged message', (message) => [{ ...message, signature: new Uint8Array(64) }]],
    ['a message of another topic', (message) => [{ ...message, topic: 'news' }]],
    ['a message that was not asked for', (_, other) => [other]],
    ['a message twice', (message) => [message, message]],
    ['a message by another spelling of its author', (message) => [{ ...message, from: peerIdFromString(message.from).toCID().toString() }]],
  ])('and gives %s is refused, counted, and not asked again', async (_, give) => {
    const victim = await createParty({ limits: often })
    await join([victim])
    const [message, other] = await strangers(2, 8)
    if (message === undefined || other === undefined) throw new Error('nothing was signed')
    let gets = 0
    await impostor(victim, (request) => {
      if (request.type === 'list') return encodePage({ items: [entry(message)], next: 'x.1', caughtUp: true }, request.topics)
      gets++
      return encodeMessages(give(message, other))
    })
    await expect.poll(() => outcomes(victim)).toMatchObject({ forged: 1 })
    expect(await stored(victim)).toEqual([])
    // An honest one is believed meanwhile.
    const honest = await createParty()
    await join([honest])
    await linkParties(honest, victim)
    await honest.rest.publish('orders', 'true')
    await expect.poll(() => stored(victim)).toEqual(['true'])
    expect(gets).toBe(1)
  })

  test.each<[string, Uint8Array]>([
    ['no CBOR', Buffer.from('nothing')],
    ['a page that leads nowhere', encodePage({ items: [], next: 'x.1', caughtUp: false }, [])],
  ])('and answers with %s is not asked again', async (_, raw) => {
    const victim = await createParty({ limits: often })
    await join([victim])
    let lists = 0
    await impostor(victim, () => {
      lists++
      return raw
    })
    await expect.poll(() => lists).toBeGreaterThan(0)
    const after = await createParty({ limits: often })
    await join([after])
    await linkParties(after, victim)
    await expect.poll(async () => (await victim.rest.get<{ items: unknown[] }>('/v1/peers?state=connected')).items.length).toBe(2)
    await after.rest.publish('orders', 'x')
    await expect.poll(() => stored(victim)).toEqual(['x'])
    expect(lists).toBeLessThanOrEqual(2)
  })

  test('and offers without end is read at the stated rate, and the others have their turn', async () => {
    const bytesPerSecond = 500_000
    const limits = { ...often, historyPeerBytesPerSecond: bytesPerSecond, historyBytesPerSecond: 10_000_000, historyRoundMs: 500 }
    const victim = await createParty({ limits })
    await join([victim])
    let [page, sent] = [0, 0]
    const offered = new Map<string, SignedMessage>()
    const start = performance.now()
    await impostor(victim, async (request) => {
      if (request.type === 'list') {
        offered.clear()
        const messages = await strangers(10, 20_000)
        for (const message of messages) offered.set(entry(message).id, message)
        return encodePage({ items: messages.map(entry), next: `x.${++page}`, caughtUp: false }, request.topics)
      }
      const answer = encodeMessages(request.ids.flatMap((id) => offered.get(id) ?? []))
      sent += answer.length
      return answer
    })
    const honest = await createParty()
    await join([honest])
    const witness = await createParty()
    await join([witness])
    await linkParties(honest, witness)
    await honest.rest.publish('orders', 'missed')
    await linkParties(honest, victim)
    await expect.poll(() => stored(victim)).toContain('missed')
    await expect.poll(() => sent).toBeGreaterThan(3 * bytesPerSecond)
    const seconds = (performance.now() - start) / 1_000
    // What one answer holds may come in advance.
    expect(sent).toBeLessThan(bytesPerSecond * seconds + 300_000)
  })

  test('and asks without end is given the stated bytes, and then told to wait', async () => {
    const limits = { historyPeerBytesPerSecond: 65_536, historyBytesPerSecond: 10_000_000 }
    const victim = await createParty({ limits })
    const messages = Array.from({ length: 40 }, () => ({ topic: 'orders', data: 'x'.repeat(30_000) }))
    await victim.rest.call('POST', '/v1/messages', { messages })
    const asker = await memoryNode()
    await asker.start()
    onTestFinished(() => asker.stop())
    await asker.dial(await victim.address(), { signal: AbortSignal.timeout(20_000), source: 'rest' })
    const page = decodePage(await asker.request(victim.peerId, historyProtocol, encodeHistoryRequest(list), requestOptions()), ['orders'])
    if ('retryAfterMs' in page) throw new Error('the first answer was "busy"')
    const get = encodeHistoryRequest({ type: 'get', ids: page.items.slice(0, 8).map(({ id }) => id) })
    const start = performance.now()
    let [given, busy] = [0, 0]
    for (let times = 0; times < 50; times++) {
      const answer = await asker.request(victim.peerId, historyProtocol, get, requestOptions())
      if ('retryAfterMs' in decodeMessages(answer)) busy++
      else given += answer.length
    }
    const seconds = (performance.now() - start) / 1_000
    expect(busy).toBeGreaterThan(0)
    expect(given).toBeLessThan(65_536 * (1 + seconds) + 300_000)
  })

  test('and asks for much at once is given one batch after another, and others are answered meanwhile', async () => {
    const victim = await createParty()
    const messages = Array.from({ length: 12 }, () => ({ topic: 'orders', data: 'x'.repeat(100_000) }))
    await victim.rest.call('POST', '/v1/messages', { messages })
    const ids = (await victim.rest.history('topic=orders')).map(({ id }) => id)
    const asker = await memoryNode()
    await asker.start()
    onTestFinished(() => asker.stop())
    await asker.dial(await victim.address(), { signal: AbortSignal.timeout(20_000), source: 'rest' })
    const get = encodeHistoryRequest({ type: 'get', ids })
    const start = performance.now()
    const answers = await Promise.all(
      Array.from({ length: 16 }, () =>
        asker.request(victim.peerId, historyProtocol, get, { ...requestOptions(), maxAnswerBytes: 2_000_000 }),
      ),
    )
    const seconds = (performance.now() - start) / 1_000
    const given = answers.map(decodeMessages).flatMap((answer) => ('messages' in answer ? answer.messages.length : []))
    // The first that reach 256 KiB; so many answers are paid for by what there is for a peer.
    expect(new Set(given)).toEqual(new Set([3]))
    expect(given.length).toBeLessThanOrEqual(1 + ((1 + seconds) * defaultLimits.historyPeerBytesPerSecond) / 262_144)
    const honest = await createParty()
    await join([honest])
    await linkParties(honest, victim)
    await victim.rest.publish('orders', 'on')
    await expect.poll(() => stored(honest)).toContain('on')
  })

  test('and tells to wait for ever is asked again after the usual time', async () => {
    const victim = await createParty({ limits: often })
    await join([victim])
    let asked = 0
    const start = performance.now()
    await impostor(victim, () => {
      asked++
      return encodeBusy({ retryAfterMs: 2 ** 50 })
    })
    await expect.poll(() => asked).toBeGreaterThan(2)
    expect(asked).toBeLessThanOrEqual(2 + (performance.now() - start) / often.historyIntervalMs)
  })

  test('and asks for direct messages, or guesses ids of messages of topics that are not joined here, gets none', async () => {
    const { here, there } = await createParties()
    await there.rest.call('POST', `/v1/peers/${here.peerId}/messages`, { data: 'private' })
    await expect.poll(async () => (await here.rest.history('kind=direct')).length).toBe(1)
    const published = await here.rest.publish('left', 'x')
    await here.rest.call('DELETE', '/v1/topics/left')
    const [direct] = await here.rest.history('kind=direct')
    const ask = (request: HistoryRequest) =>
      there.engine.request(here.peerId, historyProtocol, encodeHistoryRequest(request), requestOptions())
    expect(decodeMessages(await ask({ type: 'get', ids: [direct?.id ?? '', published.id] }))).toMatchObject({ messages: [] })
    expect(decodeMessages(await ask({ type: 'get', ids: [published.id], topics: ['orders'] }))).toMatchObject({ messages: [] })
    expect(decodePage(await ask({ ...list, topics: ['lef'] }), ['lef'])).toMatchObject({ items: [], caughtUp: true })
  })
})

test('maxHistoryRounds: so many peers are asked at once', async () => {
  const victim = await createParty({ limits: { ...often, maxHistoryRounds: 2 } })
  await join([victim])
  let [now, most, all] = [0, 0, 0]
  const waiting: Array<() => void> = []
  for (let peers = 0; peers < 5; peers++) {
    await impostor(victim, async ({ type }) => {
      all++
      most = Math.max(most, ++now)
      if (all <= 6) await new Promise<void>((resolve) => waiting.push(resolve))
      now--
      expect(type).toBe('list')
      return encodePage({ items: [], next: 'x.1', caughtUp: true }, [])
    })
  }
  // The others are due at the same moment, when two have answered.
  for (let rounds = 0; rounds < 3; rounds++) {
    await expect.poll(() => waiting.length).toBe(2)
    for (const answer of waiting.splice(0)) answer()
  }
  await expect.poll(() => all).toBeGreaterThan(6)
  expect(most).toBe(2)
})

test('two gateways that keep messages for different times: over ten windows nothing is delivered twice, and nothing pruned comes back', {
  timeout: 120_000,
}, async () => {
  const windowMs = 2_000
  const common = { ...often, seenWindowMs: windowMs, unsentWindowMs: 1, retentionSweepMs: 50 }
  const { here, there } = await createParties(
    { limits: { ...common, retentionMaxAgeMs: 1_500 } },
    { limits: { ...common, retentionMaxAgeMs: 5 * windowMs, maxPruneMessages: 10 } },
  )
  await join([here, there])
  await using one = await openStream(here.gateway.url, { query: '?topic=orders' })
  await using other = await openStream(there.gateway.url, { query: '?topic=orders' })
  // They have somebody to hand messages to while they are apart, so that these do not wait for the other.
  for (const party of [here, there]) await sink(party)
  const published: string[] = []
  const end = performance.now() + 10 * windowMs
  let partedAt: number | undefined
  for (let number = 0; performance.now() < end; number++) {
    const publisher = number % 2 === 0 ? here : there
    if (number % 150 === 149) {
      await part(here, there)
      partedAt = performance.now()
    }
    // However fast this machine is, what one of them keeps for a short time is still there for the other.
    if (partedAt !== undefined && performance.now() - partedAt > 200) {
      await linkParties(here, there)
      partedAt = undefined
    }
    published.push((await publisher.rest.publish('orders', `${number}`)).id)
    await delay(5)
  }
  await linkParties(here, there)
  for (const follower of [one, other]) {
    await follower.until(() => new Set(follower.messages.map(({ id }) => id)).size === published.length)
    const ids = follower.messages.map(({ id }) => id)
    expect(ids).toHaveLength(new Set(ids).size)
    expect(new Set(ids)).toEqual(new Set(published))
  }
  for (const party of [here, there]) {
    expect((await outcomes(party))['stored']).toBeGreaterThan(0)
    expect(await counter(party, 'peergate_pruned_messages_total')).toBeGreaterThan(0)
  }
})
