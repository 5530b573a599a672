import { peerIdFromString } from '@libp2p/peer-id'
import { describe, expect, onTestFinished, test } from 'vitest'
import {
  decodeMessages,
  decodePage,
  encodeBusy,
  encodeHistoryRequest,
  encodeMessages,
  encodePage,
  type HistoryRequest,
  historyProtocol,
} from '../../src/catch-up/history-protocol.ts'
import { defaultLimits } from '../../src/limits.ts'
import { createMessageSigner, messageId, type SignedMessage } from '../../src/model/signed-message.ts'
import { createMemoryIdentity } from '../fixtures/memory-identity.ts'
import { createParties, createParty, linkParties, memoryNode } from '../fixtures/party.ts'
import { impostor, join, list, often, outcomes, requestOptions, stored } from './parties-that-catch-up.ts'

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
