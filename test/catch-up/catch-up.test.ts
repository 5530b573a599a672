import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, onTestFinished, test } from 'vitest'
import { encodeHistoryRequest, encodePage, historyProtocol } from '../../src/catch-up/history-protocol.ts'
import type { P2PEngine } from '../../src/engine/engine.ts'
import { messageId } from '../../src/model/signed-message.ts'
import { createMemoryDisk, createMemoryStore } from '../fixtures/memory-store.ts'
import { createParties, createParty, linkParties, memoryNode } from '../fixtures/party.ts'
import { openStream } from '../fixtures/stream-client.ts'
import { impostor, join, list, often, outcomes, part, requestOptions, stored } from './parties-that-catch-up.ts'

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
