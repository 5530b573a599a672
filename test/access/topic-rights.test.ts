import { readFile } from 'node:fs/promises'
import { expect, onTestFinished, test } from 'vitest'
import { parse } from 'yaml'
import { tokenActions } from '../../src/model/action.ts'
import { clientFrameSchema } from '../../src/stream/client-frames.ts'
import { openStream } from '../fixtures/stream-client.ts'
import { adminToken, gatewayWithTokens } from './gateway-with-tokens.ts'

interface Operation {
  operationId: string
  parameters?: Array<{ name: string; in: string; required?: boolean; schema: unknown }>
  requestBody?: { content: Record<string, { schema: unknown; example?: unknown }> }
}

interface Contract {
  paths: Record<string, Record<string, Operation>>
  components: { schemas: Record<string, unknown> }
}

/** Operations whose path has no topic, but the id of a message with one. */
const ofMessage = ['getMessage', 'getMessageData', 'deleteMessage']
/** `after` of these lists is a position, and they have only what the token allows; the stream checks its frames. */
const unchecked = ['listTopics', 'listValidators', 'openStream']

test('a token without the topic is refused by every operation of the contract that names one', async () => {
  // Read before there is a gateway, which counts as overloaded while a long document is parsed.
  const { paths, components }: Contract = parse(await readFile(new URL('../../openapi.yaml', import.meta.url), 'utf8'))
  const { call, tokenFor } = await gatewayWithTokens()
  const { status, body: published } = await call('POST', '/v1/topics/orders/messages', { token: adminToken, body: { data: 'x' } })
  expect(status).toBe(201)
  const { secret: token } = await tokenFor([...tokenActions], ['news'])

  /** Whether a schema refers to topics or patterns, directly or by others. */
  function namesTopic(schema: unknown): boolean {
    const names = [...JSON.stringify(schema).matchAll(/#\/components\/schemas\/(\w+)/g)].map(([, name]) => name ?? '')
    return names.some((name) => name === 'Topic' || name === 'TopicPattern' || namesTopic(components.schemas[name]))
  }

  const answers: Record<string, [number, unknown]> = {}
  for (const [path, operations] of Object.entries(paths)) {
    for (const [method, { operationId, parameters = [], requestBody }] of Object.entries(operations)) {
      const json = requestBody?.content['application/json']
      const query = parameters.filter(({ in: place, required, schema }) => place === 'query' && (required === true || namesTopic(schema)))
      // A required parameter that names no topic is a position.
      const queried = query.map(({ name, schema }) => `${name}=${namesTopic(schema) ? 'orders' : 'earliest'}`)
      const named = namesTopic(parameters.map(({ schema }) => schema)) || namesTopic(json?.schema ?? {})
      if (unchecked.includes(operationId) || !(named || ofMessage.includes(operationId))) continue
      const url = path.replace('{topic}', 'orders').replace('{id}', String(published['id']))
      const asked = json === undefined && queried.length > 0 ? `?${queried.join('&')}` : ''
      const answer = await call(method.toUpperCase(), url + asked, { token, body: json?.example })
      answers[operationId] = [answer.status, answer.body.code]
    }
  }
  expect(Object.keys(answers)).toEqual(expect.arrayContaining([...ofMessage, 'publishMessages', 'createToken', 'openEvents']))
  expect(answers).toEqual(Object.fromEntries(Object.keys(answers).map((name) => [name, [403, 'forbidden']])))
})

test('a token without the topic is refused by every frame that names one, except to end what it began', async () => {
  const { gateway, tokenFor } = await gatewayWithTokens()
  const { secret } = await tokenFor([...tokenActions], ['news'])
  const stream = await openStream(gateway.url, { headers: { authorization: `Bearer ${secret}` } })
  onTestFinished(() => stream[Symbol.asyncDispose]())
  const codes: Record<string, unknown> = {}
  for (const { shape } of clientFrameSchema.options) {
    const named = 'topics' in shape ? { topics: ['orders'] } : 'topic' in shape ? { topic: 'orders' } : undefined
    if (named === undefined) continue
    const [type = ''] = shape.type.values
    stream.send({ type, id: type, ...named, ...('data' in shape ? { data: 'x' } : {}) })
    codes[type] = (await stream.expect('error', ({ id }) => id === type))['code']
  }
  expect(codes).toEqual({ subscribe: 'forbidden', publish: 'forbidden', validate: 'forbidden', unvalidate: 'validation_not_found' })
})

test('a token without the topic does not read it as a durable stream, which the contract does not describe', async () => {
  const { call, tokenFor } = await gatewayWithTokens()
  await call('POST', '/v1/topics/orders/messages', { token: adminToken, body: { data: 'x' } })
  const { secret: token } = await tokenFor([...tokenActions], ['news'])
  for (const query of ['', '?offset=now', '?offset=-1&live=sse', '?offset=-1&live=long-poll']) {
    const { status, body } = await call('GET', `/v1/streams/orders${query}`, { token })
    expect([status, body.code]).toEqual([403, 'forbidden'])
  }
  expect((await call('HEAD', '/v1/streams/orders', { token })).status).toBe(403)
})
