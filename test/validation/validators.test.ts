import { describe, expect, onTestFinished, test } from 'vitest'
import { encodeSigned } from '../../src/model/signed-message-codec.ts'
import type { Verdict } from '../../src/model/verdict.ts'
import type { ServerFrame } from '../../src/stream/server-frames.ts'
import { decodeJudgement, judgementBytes, validateProtocol } from '../../src/validation/validate-protocol.ts'
import { holdDeadlines } from '../fixtures/held-deadlines.ts'
import { createMemoryDisk, createMemoryStore } from '../fixtures/memory-store.ts'
import { createParties, createParty, linkParties, type Party } from '../fixtures/party.ts'
import { openStream } from '../fixtures/stream-client.ts'

type Asked = Extract<ServerFrame, { type: 'validation' }>

interface Registration {
  topic?: string
  deadlineMs?: number
  default?: Verdict
}

/** A client that judges a topic; answers what `judge` says, or nothing. */
async function validate({ gateway }: Party, judge: (asked: Asked) => Verdict | undefined, registration: Registration = {}) {
  const stream = await openStream(gateway.url)
  onTestFinished(() => stream.socket.terminate())
  const asked: Asked[] = []
  let handled = 0
  stream.socket.on('message', () => {
    for (; handled < stream.frames.length; handled++) {
      const frame = stream.frames[handled]
      if (frame?.type !== 'validation') continue
      asked.push(frame)
      const verdict = judge(frame)
      if (verdict !== undefined) stream.send({ type: 'verdict', validationId: frame.validationId, verdict })
    }
  })
  stream.send({ type: 'validate', topic: 'orders', ...registration })
  await stream.expect('validating')
  return { stream, asked }
}

const stored = async ({ rest }: Party, topic = 'orders') => (await rest.history(`topic=${topic}`)).map(({ data }) => data)
const metric = async ({ gateway }: Party, line: string) =>
  (await (await fetch(`${gateway.url}/metrics`)).text()).split('\n').find((each) => each.startsWith(line))

describe('a validator', () => {
  test('is asked about each message of others before it is stored, delivered or forwarded, and its verdict counts', async () => {
    const { here, there } = await createParties()
    const beyond = await createParty()
    await linkParties(there, beyond)
    await beyond.rest.call('PUT', '/v1/topics/orders')
    const verdicts: Record<string, Verdict> = { good: 'accept', dull: 'ignore', bad: 'reject', last: 'accept' }
    let before: string[] = []
    const { asked } = await validate(
      there,
      ({ message: { data } }) => {
        before = [...before, String(data)]
        return verdicts[String(data)]
      },
      { deadlineMs: 2_000 },
    )
    await using follower = await openStream(there.gateway.url, { query: '?topic=orders' })
    const published = []
    for (const data of Object.keys(verdicts)) published.push(await here.rest.publish('orders', data))
    await follower.until(() => follower.messages.length === 2)
    expect(before).toEqual(['good', 'dull', 'bad', 'last'])
    expect(follower.messages.map(({ data }) => data)).toEqual(['good', 'last'])
    expect(await stored(there)).toEqual(['good', 'last'])
    await expect.poll(() => stored(beyond)).toEqual(['good', 'last'])
    expect(asked[0]?.message).toEqual({
      id: published[0]?.id,
      kind: 'topic',
      topic: 'orders',
      from: here.peerId,
      sequence: published[0]?.id.split('.').at(-1),
      data: 'good',
      encoding: 'utf8',
      signature: expect.any(String),
    })
    expect(Date.parse(asked[0]?.deadline ?? '') - Date.now()).toBeLessThanOrEqual(2_000)
    expect(await metric(there, 'peergate_judged_messages_total{verdict="reject",given="true"}')).toMatch(/ 1$/)
  })

  test('is not asked about what clients of its own gateway publish, nor about other topics', async () => {
    const { here, there } = await createParties()
    const { asked } = await validate(there, () => 'reject')
    await there.rest.call('PUT', '/v1/topics/other')
    await there.rest.publish('orders', 'own')
    await here.rest.publish('other', 'of another topic')
    await expect.poll(() => stored(there, 'other')).toEqual(['of another topic'])
    expect(await stored(there)).toEqual(['own'])
    expect(asked).toEqual([])
  })

  test.each<[Verdict | undefined, string[]]>([
    ['accept', ['first', 'second']],
    ['ignore', []],
    ['reject', []],
    [undefined, []],
  ])('that hangs delays its own topic until its deadline, and no other; then its default counts (%s)', async (byDefault, expected) => {
    // What nobody gave a verdict on would be asked about again when it is fetched from the peer.
    const { here, there } = await createParties({ gateway: { catchUp: false } })
    const passDeadlines = holdDeadlines(1_999)
    const { asked } = await validate(there, () => undefined, { deadlineMs: 1_999, ...(byDefault && { default: byDefault }) })
    await there.rest.call('PUT', '/v1/topics/other')
    await here.rest.publish('orders', 'first')
    await here.rest.publish('orders', 'second')
    await here.rest.publish('other', 'meanwhile')
    await expect.poll(() => stored(there, 'other')).toEqual(['meanwhile'])
    expect(await stored(there)).toEqual([])
    await expect.poll(() => metric(there, 'peergate_open_validations')).toMatch(/ 2$/)
    passDeadlines()
    await expect.poll(() => metric(there, 'peergate_open_validations')).toMatch(/ 0$/)
    await expect.poll(() => stored(there)).toEqual(expected)
    expect(asked).toHaveLength(2)
  })

  test('whose verdict comes too late, or is for nobody, is told', async () => {
    const { here, there } = await createParties()
    const passDeadlines = holdDeadlines(1_999)
    const { stream, asked } = await validate(there, () => undefined, { deadlineMs: 1_999 })
    await here.rest.publish('orders', 'x')
    await expect.poll(() => asked.length).toBe(1)
    passDeadlines()
    await expect.poll(() => metric(there, 'peergate_judged_messages_total{verdict="ignore",given="false"}')).toMatch(/ 1$/)
    stream.send({ type: 'verdict', id: 1, validationId: asked[0]?.validationId, verdict: 'accept' })
    expect(await stream.expect('error')).toMatchObject({ id: 1, code: 'validation_not_found' })
    const other = await openStream(there.gateway.url)
    onTestFinished(() => other.socket.terminate())
    other.send({ type: 'unvalidate', id: 2, topic: 'orders' })
    expect(await other.expect('error')).toMatchObject({ id: 2, code: 'validation_not_found' })
    expect(await stored(there)).toEqual([])
  })

  test('that goes is asked no more: what it had not answered gets its default, what comes then is not judged', async () => {
    const { here, there } = await createParties()
    const { stream, asked } = await validate(there, () => undefined, { deadlineMs: 2_000, default: 'accept' })
    await here.rest.publish('orders', 'open')
    await expect.poll(() => asked.length).toBe(1)
    stream.socket.terminate()
    await expect.poll(() => stored(there)).toEqual(['open'])
    await here.rest.publish('orders', 'after')
    await expect.poll(() => stored(there)).toEqual(['open', 'after'])
  })

  test('judges no more once it says so', async () => {
    const { here, there } = await createParties()
    const { stream } = await validate(there, () => 'reject')
    stream.send({ type: 'unvalidate', topic: 'orders' })
    await stream.expect('unvalidated')
    await here.rest.publish('orders', 'x')
    await expect.poll(() => stored(there)).toEqual(['x'])
  })

  test('that registers again is asked by the new deadline and default', async () => {
    const { here, there } = await createParties()
    const { stream } = await validate(there, () => undefined, { deadlineMs: 2_000 })
    stream.send({ type: 'validate', id: 2, topic: 'orders', deadlineMs: 10, default: 'accept' })
    expect(await stream.expect('validating', ({ id }) => id === 2)).toEqual({
      type: 'validating',
      id: 2,
      topic: 'orders',
      deadlineMs: 10,
      default: 'accept',
    })
    await here.rest.publish('orders', 'x')
    await expect.poll(() => stored(there)).toEqual(['x'])
  })

  test('is asked nothing that does not fit its socket until it takes more', async () => {
    const { here, there } = await createParties({ limits: { maxSocketBufferBytes: 1_024 } })
    holdDeadlines(1_999)
    const { stream, asked } = await validate(there, () => 'accept', { deadlineMs: 1_999, default: 'reject' })
    stream.socket.pause()
    // More than a socket of this host takes by itself.
    const large = 'x'.repeat(1_000_000)
    // At once: all are asked about within the time that the first has.
    await Promise.all(Array.from({ length: 12 }, () => here.rest.publish('orders', large)))
    await expect.poll(() => metric(there, 'peergate_open_validations')).toMatch(/ 12$/)
    expect(await stored(there)).toEqual([])
    stream.socket.resume()
    await expect.poll(() => stored(there)).toHaveLength(12)
    expect(asked).toHaveLength(12)
  })
})

test('of several validators of a topic the strictest counts', async () => {
  const { here, there } = await createParties()
  await validate(there, () => 'accept')
  await validate(there, ({ message }) => (message.data === 'bad' ? 'ignore' : 'accept'))
  for (const data of ['bad', 'good']) await here.rest.publish('orders', data)
  await expect.poll(() => stored(there)).toEqual(['good'])
})

test('1,000 messages that wait for a verdict are held once, by bytes that are bounded for each topic; what is more is ignored', async () => {
  const bytes = 1_000
  const { here, there } = await createParties({ limits: { maxInboxBytes: 1_000 * bytes } })
  const deadlineMs = 1_999
  const passDeadlines = holdDeadlines(deadlineMs)
  const { asked } = await validate(there, () => undefined, { deadlineMs, default: 'accept' })
  const messages = Array.from({ length: 1_000 }, (_, number) => ({ topic: 'orders', data: `${number}`.padEnd(bytes, '.') }))
  for (let at = 0; at < 1_000; at += 500) await here.rest.call('POST', '/v1/messages', { messages: messages.slice(at, at + 500) })
  await expect.poll(() => asked.length).toBe(1_000)
  expect(await metric(there, 'peergate_open_validations')).toMatch(/ 1000$/)
  passDeadlines()
  await expect.poll(() => metric(there, 'peergate_open_validations')).toMatch(/ 0$/)
  await expect.poll(async () => (await stored(there)).length).toBe(1_000)
  expect(await stored(there)).toEqual(messages.map(({ data }) => data))
})

describe('gateways of one database', () => {
  async function cluster() {
    const disk = createMemoryDisk()
    const outside = await createParty()
    const [one, other] = [await createParty({ store: createMemoryStore(disk) }), await createParty({ store: createMemoryStore(disk) })]
    await linkParties(one, other)
    return { outside, one, other }
  }

  test('have what reaches either judged by a client of the other, once', async () => {
    const { outside, one, other } = await cluster()
    const { asked } = await validate(other, ({ message }) => (message.data === 'bad' ? 'reject' : 'accept'), { deadlineMs: 2_000 })
    await one.rest.call('PUT', '/v1/topics/orders')
    await linkParties(outside, one)
    for (const data of ['bad', 'good']) await outside.rest.publish('orders', data)
    await expect.poll(() => stored(one)).toEqual(['good'])
    await linkParties(outside, other)
    await outside.rest.publish('orders', 'to both')
    await expect.poll(() => stored(one)).toEqual(['good', 'to both'])
    expect(asked.map(({ message }) => message.data)).toEqual(['bad', 'good', 'to both'])
  })

  test('judge for each other, and for nobody else', async () => {
    const { outside, one, other } = await cluster()
    const { asked } = await validate(other, () => 'accept', { deadlineMs: 2_000 })
    await linkParties(outside, other)
    const [message] = await outside.engine.sign([{ topic: 'orders', data: Buffer.from('judge this') }])
    if (message === undefined) throw new Error('nothing was signed')
    const ask = async (from: Party) => {
      const options = { signal: AbortSignal.timeout(20_000), maxAnswerBytes: judgementBytes }
      return decodeJudgement(await from.engine.request(other.peerId, validateProtocol, encodeSigned(message), options))
    }
    await expect(ask(outside)).rejects.toThrow()
    expect(asked).toEqual([])
    await expect.poll(() => ask(one).catch(() => undefined)).toEqual({ verdict: 'accept', given: true })
    await expect(ask(outside)).rejects.toThrow()
    expect(asked).toHaveLength(1)
  })

  test('have their own messages judged by nobody', async () => {
    const { one, other } = await cluster()
    const { asked } = await validate(other, () => 'reject', { deadlineMs: 2_000 })
    await one.rest.publish('orders', 'own')
    await one.rest.publish('orders', 'own too')
    await expect.poll(() => stored(other)).toEqual(['own', 'own too'])
    expect(asked).toEqual([])
  })

  test('use the default when the one whose client judges is gone', async () => {
    const { outside, one, other } = await cluster()
    await validate(other, () => 'accept', { deadlineMs: 500, default: 'ignore' })
    await one.rest.call('PUT', '/v1/topics/orders')
    await linkParties(outside, one)
    await other.engine.stop()
    await outside.rest.publish('orders', 'x')
    await expect.poll(() => metric(one, 'peergate_judged_messages_total{verdict="ignore",given="false"}')).toMatch(/ 1$/)
    expect(await stored(one)).toEqual([])
  })
})

test.each([
  [{ topic: 'orders', deadlineMs: 2_001 }, 'invalid_request'],
  [{ topic: 'orders', deadlineMs: 0 }, 'invalid_request'],
  [{ topic: 'orders', default: 'maybe' }, 'invalid_request'],
  [{ topic: 'orders.*' }, 'invalid_topic'],
  [{ topic: 'orders.*\n' }, 'invalid_topic'],
])('a registration that makes no sense is refused (%o)', async (registration, code) => {
  const here = await createParty()
  await using stream = await openStream(here.gateway.url)
  stream.send({ type: 'validate', id: 1, ...registration })
  expect(await stream.expect('error')).toMatchObject({ id: 1, code })
})

test('maxValidators bites, by name', async () => {
  const here = await createParty({ limits: { maxValidators: 1 } })
  const { stream } = await validate(here, () => undefined)
  stream.send({ type: 'validate', id: 2, topic: 'another' })
  expect(await stream.expect('error')).toMatchObject({ id: 2, code: 'validator_limit' })
})
