import { expect, test } from 'vitest'
import { openEvents } from '../fixtures/event-client.ts'
import { createParties, createParty } from '../fixtures/party.ts'
import { openStream } from '../fixtures/stream-client.ts'

/** JSON text whose numbers and white space no parser keeps. */
const text = '{\r\n "amount": 12345678901234567890, "rate": 1.0,\n "rate": 2.50 }'
const value: unknown = JSON.parse(text)

test('any JSON value is published as data, and stored as its text', async () => {
  const { gateway, rest } = await createParty()
  const values: unknown[] = [
    { order: 17, lines: [{ ok: true }, null] },
    null,
    'text',
    0,
    [],
    { constructor: 1 },
    JSON.parse('{"__proto__":1}'),
  ]
  const [first, second, third, fourth, fifth, sixth, seventh] = values
  await rest.call('POST', '/v1/topics/orders/messages', { data: first, encoding: 'json' })
  const messages = [second, third, fourth, fifth].map((data) => ({ topic: 'orders', data, encoding: 'json' }))
  expect(await rest.call('POST', '/v1/messages', { messages })).toMatchObject({ status: 201 })
  await using stream = await openStream(gateway.url)
  stream.send({ type: 'publish', topic: 'orders', data: sixth, encoding: 'json' })
  await stream.expect('published')
  await rest.call('POST', '/v1/topics/orders/messages', { data: seventh, encoding: 'json' })
  expect((await rest.history('topic=orders')).map(({ data }) => data)).toEqual(values.map((each) => JSON.stringify(each)))
  expect((await rest.history('topic=orders&encoding=json')).map(({ data }) => data)).toEqual(values)
})

test('readers who ask for JSON get stored text as it is, on every way of reading, and other data by default', async () => {
  const { gateway, rest } = await createParty()
  const { id } = await rest.publish('orders', text)
  await rest.publish('orders', '{"cut":')
  await rest.call('POST', '/v1/topics/orders/messages', { data: '/wA=', encoding: 'base64' })
  const expected = [
    { data: value, encoding: 'json' },
    { data: '{"cut":', encoding: 'utf8' },
    { data: '/wA=', encoding: 'base64' },
  ]
  const bodies = ['/v1/topics/orders/messages?after=earliest&', '/v1/messages?after=earliest&', `/v1/messages/${id}?`].map(
    async (path) => await (await fetch(`${gateway.url}${path}encoding=json`)).text(),
  )
  for (const body of await Promise.all(bodies)) expect(body).toContain(`"data":${text},"encoding":"json"`)
  expect(await rest.history('topic=orders&encoding=json')).toMatchObject(expected)

  await using asText = await openStream(gateway.url, { query: '?topic=orders&after=earliest' })
  await using stream = await openStream(gateway.url, { query: '?topic=orders&after=earliest&encoding=json' })
  await asText.expect('caught-up')
  await stream.expect('caught-up')
  expect(asText.messages.map(({ data }) => data)).toEqual([text, '{"cut":', '/wA='])
  expect(stream.messages).toMatchObject(expected)

  const events = await openEvents(`${gateway.url}/v1/events?topic=orders&after=earliest&encoding=json`)
  await events.until(() => events.events.length === 4)
  expect(events.events[0]?.data).toContain(text.replaceAll(/[\r\n]/g, ' '))
  expect(events.events.slice(0, 3).map(({ data }) => JSON.parse(data).message)).toMatchObject(expected)
})

test('a subscription of the stream asks for JSON by its frame', async () => {
  const { gateway, rest } = await createParty()
  await using stream = await openStream(gateway.url)
  stream.send({ type: 'subscribe', topics: ['orders'], encoding: 'json' })
  await stream.expect('subscribed')
  await rest.publish('orders', '[1]')
  expect((await stream.expect('message')).message).toMatchObject({ data: [1], encoding: 'json' })
})

test('direct messages carry JSON', async () => {
  const { here, there } = await createParties()
  const path = `/v1/peers/${there.peerId}/messages`
  expect(await here.rest.call('POST', path, { data: { hello: 1 }, encoding: 'json' })).toMatchObject({ status: 202 })
  await using stream = await openStream(here.gateway.url)
  stream.send({ type: 'send', to: there.peerId, data: { hello: 2 }, encoding: 'json' })
  await stream.expect('queued')
  const received = async () => (await there.rest.history('kind=direct&encoding=json')).map(({ data }) => data)
  await expect.poll(received).toEqual([{ hello: 1 }, { hello: 2 }])
})

test('requests and replies carry JSON: a server asks for it, and a response has the encoding of its request', async () => {
  const { here, there } = await createParties()
  await using server = await openStream(there.gateway.url)
  server.send({ type: 'serve', service: 'prices', concurrency: 4, encoding: 'json' })
  await server.expect('serving')
  const ask = async (body: object, reply: object) => {
    const answer = here.rest.call('POST', `/v1/peers/${there.peerId}/requests/prices`, body)
    const known = server.frames.length
    const { data, encoding, requestId } = await server.expect('request', (frame) => server.frames.indexOf(frame) >= known)
    server.send({ type: 'reply', requestId, ...reply })
    return [{ data, encoding }, (await answer).body]
  }
  expect(await ask({ data: { item: 17 }, encoding: 'json' }, { data: null, encoding: 'json' })).toEqual([
    { data: { item: 17 }, encoding: 'json' },
    { data: null, encoding: 'json' },
  ])
  expect(await ask({ data: '[17]' }, { data: '[1.0]' })).toEqual([
    { data: [17], encoding: 'json' },
    { data: '[1.0]', encoding: 'utf8' },
  ])
  expect(await ask({ data: 'item', encoding: 'json' }, { data: 'none' })).toEqual([
    { data: 'item', encoding: 'json' },
    { data: 'none', encoding: 'utf8' },
  ])
  await using client = await openStream(here.gateway.url)
  client.send({ type: 'request', to: there.peerId, service: 'prices', data: 'framed', encoding: 'json' })
  const { requestId } = await server.expect('request', ({ data }) => data === 'framed')
  server.send({ type: 'reply', requestId, data: { price: 250 }, encoding: 'json' })
  expect(await client.expect('response')).toMatchObject({ data: { price: 250 }, encoding: 'json' })
})

test('a validator that asks for JSON judges values', async () => {
  const { here, there } = await createParties()
  await using validator = await openStream(there.gateway.url)
  validator.send({ type: 'validate', topic: 'orders', encoding: 'json' })
  await validator.expect('validating')
  await here.rest.publish('orders', '{"order":17}')
  expect((await validator.expect('validation')).message).toMatchObject({ data: { order: 17 }, encoding: 'json' })
})
