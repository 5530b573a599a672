import { readFile } from 'node:fs/promises'
import { fastify } from 'fastify'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { topicParams, topicsQuery } from '../../src/http/inputs.ts'
import { keepToContract } from '../../src/http/keep-to-contract.ts'
import { documentsOf } from '../../src/http/openapi.ts'
import { documentedRoute, empty, noQuery, type RouteDeclaration } from '../../src/http/operation.ts'
import { appForTest } from './app-for-test.ts'

const committed = new URL('../../openapi.yaml', import.meta.url)

test('serves the contract that is committed', async () => {
  const { call } = await appForTest()
  const answer = await call('GET', '/openapi.yaml')
  expect(answer.headers['content-type']).toContain('application/yaml')
  expect(answer.text ?? answer.body.toString()).toBe(await readFile(committed, 'utf8'))
  expect((await call('GET', '/openapi.json')).headers['content-type']).toContain('application/json')
})

test('the contract names every operation once, with an action and an example of each JSON body and answer', async () => {
  const { app } = await appForTest()
  const { paths } = (await app.inject('/openapi.json')).json()
  const operations = Object.values<Record<string, Operation>>(paths).flatMap((path) => Object.values(path))
  const ids = operations.map(({ operationId }) => operationId)
  expect(new Set(ids).size).toBe(ids.length)
  for (const operation of operations) {
    expect(operation).toMatchObject({ summary: expect.any(String), 'x-action': expect.any(String) })
    const media = [operation.requestBody, ...Object.values(operation.responses)].flatMap(
      (body) => body?.content?.['application/json'] ?? [],
    )
    for (const { example } of media) expect(example, operation.operationId).toBeDefined()
    expect(Object.keys(operation.responses).some((status) => /^[123]/.test(status))).toBe(true)
  }
})

interface Operation {
  operationId: string
  requestBody?: Body
  responses: Record<string, Body>
}

interface Body {
  content?: Record<string, { example?: unknown }>
}

test('every example fits its schema', async () => {
  const { app } = await appForTest()
  const { paths, components } = (await app.inject('/openapi.json')).json()
  const found: Array<{ schema: object; example: unknown }> = []
  JSON.parse(JSON.stringify(paths), (_key, value) => {
    if (value?.schema !== undefined && value.example !== undefined) found.push(value)
    return value
  })
  expect(found.length).toBeGreaterThan(15)
  for (const { schema, example } of found) {
    const whole = JSON.parse(JSON.stringify({ ...schema, $defs: components.schemas }).replaceAll('#/components/schemas/', '#/$defs/'))
    expect(z.fromJSONSchema(whole).safeParse(example).error?.issues).toBeUndefined()
  }
})

test('generators can name and type every part of the contract', async () => {
  const { app } = await appForTest()
  const document = (await app.inject('/openapi.json')).json()
  const bodies: unknown[] = []
  const numbers: Array<{ type: string; format?: string }> = []
  const choices: unknown[] = []
  JSON.parse(JSON.stringify(document), (key, value) => {
    if (/json$/.test(key) && value.schema !== undefined) bodies.push(value.schema)
    const types = [value?.type].flat()
    if (types.includes('integer') || types.includes('number')) numbers.push(value)
    if (value?.anyOf !== undefined || value?.oneOf !== undefined) choices.push(value)
    return value
  })
  expect(bodies.length).toBeGreaterThan(50)
  for (const schema of bodies) expect(schema).toEqual({ $ref: expect.stringMatching('^#/components/schemas/') })
  for (const { format } of numbers) expect(format).toBeOneOf(['int32', 'int64', 'double'])
  expect(choices).toEqual([])
})

test('no component has the name that a generator makes for another', async () => {
  const { app } = await appForTest()
  const { paths, components } = (await app.inject('/openapi.json')).json()
  const schemas: Record<string, { properties?: Record<string, { $ref?: string }> }> = components.schemas
  const operations = Object.values<Record<string, Operation>>(paths).flatMap((path) => Object.values(path))
  const capital = (name: string) => `${name.charAt(0).toUpperCase()}${name.slice(1)}`
  const made = Object.entries(schemas).flatMap(([name, { properties = {} }]) => [
    // A constructor in Go, a type of a property, and what generators define themselves.
    ...[`New${name}`, `Nullable${name}`],
    ...Object.entries(properties).flatMap(([property, { $ref }]) => ($ref === undefined ? `${name}${capital(property)}` : [])),
  ])
  made.push(...operations.flatMap(({ operationId }) => ['Request', 'Response', 'Body'].map((end) => `${capital(operationId)}${end}`)))
  made.push('Status', 'File', 'Client', 'Configuration', 'Response', 'Request', 'Error')
  expect(Object.keys(schemas).filter((name) => made.includes(name))).toEqual([])
})

test('enumerations are closed in requests, and open in answers', async () => {
  const { app } = await appForTest()
  const { paths, components } = (await app.inject('/openapi.json')).json()
  const operations = Object.values<Record<string, { parameters?: object; requestBody?: object; responses: object }>>(paths).flatMap(
    (path) => Object.values(path),
  )
  const requests = operations.map(({ parameters = [], requestBody = {} }) => enumerations([parameters, requestBody], components.schemas))
  const answers = operations.map(({ responses }) => enumerations(responses, components.schemas))
  expect(new Set(requests.flat())).toEqual(new Set(['closed']))
  expect(new Set(answers.flat())).toEqual(new Set(['open']))
})

/** Those that a part of the document reaches. */
function enumerations(part: unknown, schemas: Record<string, object>): Array<'open' | 'closed'> {
  if (part === null || typeof part !== 'object') return []
  if ('x-extensible-enum' in part) return ['open']
  if ('enum' in part) return ['closed']
  const named = '$ref' in part ? schemas[String(part.$ref).replace('#/components/schemas/', '')] : undefined
  return [named, ...Object.values(part)].flatMap((one) => enumerations(one, schemas))
}

test('the explorer needs nothing from elsewhere', async () => {
  const { call } = await appForTest()
  const page = await call('GET', '/docs')
  expect(page.headers['content-security-policy']).toMatch(/^default-src 'none'; script-src 'self';/)
  const files = [...page.text.matchAll(/(?:src|href)="([^"]*)"/g)].map(([, path]) => path ?? '')
  expect(files).toHaveLength(3)
  for (const file of files) {
    expect(file).toMatch(/^\/docs\//)
    expect((await call('GET', file)).status).toBe(200)
  }
  expect(page.text).not.toMatch(/<script>|style=/)
  expect(await call('GET', '/docs/..%2f..%2fpackage.json')).toMatchObject({ status: 400 })
})

const operation = { action: 'read', operationId: 'x', summary: 'x', tag: 'Node' } as const
const response = { 200: empty('x') }

test.each<[string, RouteDeclaration, RegExp]>([
  ['an unknown query', { method: 'GET', url: '/v1/x', config: { operation }, schema: { response } }, /query/],
  ['unknown parameters', { method: 'GET', url: '/v1/:x', config: { operation }, schema: { querystring: noQuery, response } }, /parameters/],
  [
    'neither an idempotency key nor what a repetition does',
    { method: 'POST', url: '/v1/x', config: { operation }, schema: { querystring: noQuery, response } },
    /idempotency key/,
  ],
  [
    'an error that does not exist',
    {
      method: 'GET',
      url: '/v1/x',
      config: { operation: { ...operation, problems: ['nonsense'] } },
      schema: { querystring: noQuery, response },
    },
    /nonsense/,
  ],
])('refuses a route with %s', (_, route, message) => {
  expect(() => documentedRoute(route)).toThrow(message)
})

test.each<[string, RouteDeclaration]>([
  [
    'a topic in its path',
    { method: 'GET', url: '/v1/:topic', config: { operation }, schema: { params: topicParams, querystring: noQuery, response } },
  ],
  [
    'topics in its query',
    {
      method: 'GET',
      url: '/v1/x',
      config: { operation },
      schema: { querystring: z.strictObject({ topic: topicsQuery.optional() }), response },
    },
  ],
])('makes no documents of a route with %s and no topic rights', (_, route) => {
  expect(() => documentsOf([documentedRoute(route)])).toThrow(`GET ${route.url} names a topic, but has no topic rights`)
})

describe('an app that keeps to its contract', () => {
  const route: RouteDeclaration = { method: 'GET', url: '/v1/x', config: { operation }, schema: { querystring: noQuery, response } }
  const handler = () => undefined

  test('has no other route', () => {
    const app = fastify()
    keepToContract(app, [])
    expect(() => app.route({ ...route, handler })).toThrow('GET /v1/x is not in the contract')
  })

  test('has each of its routes, once', () => {
    const app = fastify()
    app.setValidatorCompiler(() => () => true)
    app.setSerializerCompiler(() => String)
    const check = keepToContract(app, [documentedRoute(route)])
    expect(check).toThrow('nothing serves GET /v1/x')
    app.route({ ...route, handler })
    check()
    expect(() => app.route({ ...route, handler })).toThrow('is there twice')
  })
})
