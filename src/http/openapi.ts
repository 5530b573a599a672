import { STATUS_CODES } from 'node:http'
import { stringify } from 'yaml'
import type { z } from 'zod'
import { conditions } from '../errors.ts'
import { version } from '../version.ts'
import { asyncApiDocument } from './asyncapi.ts'
import { type JsonSchema, jsonSchema } from './json-schema.ts'
import { type Answer, bytesSchema, checkTopicRights, conditionOf, type DocumentedRoute, problemCodes, tags } from './operation.ts'
import { problemSchema, problemType } from './problem.ts'
import type { Documents, DocumentTexts } from './routes/documents.ts'

/**
 * The documents of the contract: OpenAPI of the routes, AsyncAPI of the stream.
 * @throws Error when a route names a topic, but has no topic rights
 */
export function documentsOf(routes: DocumentedRoute[]): Documents {
  for (const route of routes) checkTopicRights(route)
  // Others' specifications describe the rest.
  return {
    // Others' specifications describe the rest.
    openapi: textsOf(() => openApiDocument(routes.filter(({ operation }) => operation.specifiedBy === undefined))),
    asyncapi: textsOf(() => asyncApiDocument(upgradeRoute(routes))),
  }
}

/** Each document is made when it is asked for: all at once would block the event loop several times as long. */
function textsOf(make: () => object): DocumentTexts {
  let made: object | undefined
  const document = () => (made ??= make())
  return { json: () => JSON.stringify(document()), yaml: () => yaml(document()) }
}

function upgradeRoute(routes: DocumentedRoute[]): DocumentedRoute {
  const route = routes.find(({ operation }) => operation.operationId === 'openStream')
  if (route === undefined) throw new Error('no route opens a stream')
  return route
}

function yaml(document: object): string {
  return stringify(document, { lineWidth: 140, aliasDuplicateObjects: false, compat: 'yaml-1.1' })
}

function openApiDocument(routes: DocumentedRoute[]) {
  const components = new Map<string, JsonSchema>()
  const problems = problemResponses(routes, components)
  const paths: Record<string, Record<string, object>> = {}
  for (const route of routes) {
    const path = route.url.replaceAll(/:(\w+)/g, '{$1}')
    paths[path] = { ...paths[path], [route.method.toLowerCase()]: operationObject(route, components) }
  }
  return {
    openapi: '3.1.1',
    info: {
      title: 'Peergate',
      version,
      description:
        'A gateway through which programs that speak HTTP take part in a peer-to-peer network. Objects in responses can gain fields, and ' +
        'enumerations values, at any time; enumerations in responses are therefore strings, with the known values in `x-extensible-enum`. ' +
        'Requests with unknown fields, parameters or values are refused.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/', description: 'This gateway.' }],
    security: [],
    tags: Object.entries(tags).map(([name, description]) => ({ name, description })),
    paths,
    components: {
      headers: budgetHeaders,
      responses: problems,
      schemas: Object.fromEntries([...components].sort(([a], [b]) => (a < b ? -1 : 1))),
      securitySchemes: {
        bearer: {
          type: 'http',
          scheme: 'bearer',
          description: 'An access token, or a JSON Web Token of the identity provider. Required once any token exists.',
        },
        session: {
          type: 'apiKey',
          in: 'cookie',
          name: '__Host-peergate',
          description: 'A session cookie for web pages, set by `POST /v1/session`.',
        },
      },
    },
  }
}

function operationObject(route: DocumentedRoute, components: Map<string, JsonSchema>) {
  const { operation, params, headers, query, body } = route
  const parameters = [
    ...parameterObjects('path', params, components),
    ...parameterObjects('query', query, components),
    ...parameterObjects('header', headers, components),
  ]
  const description = [operation.description, operation.repetition].filter((text) => text !== undefined).join(' ')
  const answers = Object.entries(route.answers).map(([status, answer]) => [
    status,
    responseObject(answer, components, budgetHeadersOf(route)),
  ])
  return {
    operationId: operation.operationId,
    summary: operation.summary,
    ...(description === '' ? {} : { description }),
    tags: [operation.tag],
    'x-action': operation.action,
    'x-cost': operation.cost ?? 1,
    'x-codes': codesByStatus(route),
    ...(operation.action === 'none' ? {} : { security: [{ bearer: [] }, { session: [] }, {}] }),
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(body === undefined ? {} : { requestBody: requestBody(body, operation.rawBody === true, components) }),
    responses: { ...Object.fromEntries(answers), ...problemReferences(route) },
  }
}

function parameterObjects(place: 'path' | 'query' | 'header', object: z.ZodObject | undefined, components: Map<string, JsonSchema>) {
  if (object === undefined) return []
  const { properties = {}, required = [] } = jsonSchema(object, 'gateway', components)
  return Object.entries(properties).map(([name, property]) => {
    const { description, ...schema } = property === true || property === false ? {} : property
    const needed = place === 'path' || required.includes(name)
    return { name, in: place, required: needed, ...(description === undefined ? {} : { description }), schema }
  })
}

function requestBody(body: z.ZodType, raw: boolean, components: Map<string, JsonSchema>) {
  const { example, ...schema } = jsonSchema(body, 'gateway', components)
  return {
    required: !body.safeParse(undefined).success,
    content: {
      'application/json': { schema, example },
      ...(raw ? { 'application/octet-stream': { schema: jsonSchema(bytesSchema, 'gateway', components) } } : {}),
    },
  }
}

function responseObject({ description, headers, content }: Answer, components: Map<string, JsonSchema>, further: HeaderObject[] = []) {
  const own = Object.entries(headers).map(([name, meaning]): HeaderObject => [name, { description: meaning, schema: { type: 'string' } }])
  const headerObjects = [...own, ...further]
  const media = Object.entries(content).map(([type, { schema, example }]) => [
    type,
    { schema: jsonSchema(schema, 'client', components), ...(example === undefined ? {} : { example }) },
  ])
  return {
    description,
    ...(headerObjects.length === 0 ? {} : { headers: Object.fromEntries(headerObjects) }),
    ...(media.length === 0 ? {} : { content: Object.fromEntries(media) }),
  }
}

type HeaderObject = [name: string, header: object]

/** Headers of every operation that costs the client a part of its budget. */
const budgetHeaders = {
  RateLimit: {
    description:
      'The tighter of the two budgets: its name (`token` or `address`), the units left (`r`), and the seconds until it is full again (`t`); draft-ietf-httpapi-ratelimit-headers-10.',
    schema: { type: 'string' },
    example: '"token";r=1999;t=1',
  },
  'RateLimit-Policy': {
    description:
      'The name of that budget, and the units of a full one (`q`). An operation costs its `x-cost`, one unit for each 4 KiB of its body, and one for each 150 members of the objects in it.',
    schema: { type: 'string' },
    example: '"token";q=2000',
  },
}

function budgetHeadersOf({ operation }: DocumentedRoute): HeaderObject[] {
  if (operation.action === 'none') return []
  return Object.keys(budgetHeaders).map((name) => [name, { $ref: `#/components/headers/${name}` }])
}

const problemHeaders: Record<number, Record<string, string>> = {
  401: { 'WWW-Authenticate': '`Bearer`, with the reason (RFC 6750).' },
  403: { 'WWW-Authenticate': '`Bearer`, if the token does not allow the operation (RFC 6750).' },
  409: { 'Retry-After': 'Seconds to wait, if the request can succeed later.' },
  426: { Upgrade: '`websocket`' },
  429: { 'Retry-After': 'Seconds to wait.' },
  503: { 'Retry-After': 'Seconds to wait.' },
}

/** One response per error status, which operations share. */
function problemResponses(routes: DocumentedRoute[], components: Map<string, JsonSchema>): Record<string, object> {
  const answered = new Set(routes.flatMap(problemCodes))
  const byStatus = Map.groupBy(
    conditions.filter(({ code }) => answered.has(code)),
    ({ status }) => status,
  )
  const responses = [...byStatus].map(([status, known]) => {
    const codes = known.map(({ code, title }) => `- \`${code}\`: ${title}.`).join('\n')
    const description = `${STATUS_CODES[status]}. \`x-codes\` of the operation has the codes that it can answer with:\n${codes}`
    const problem = { description, headers: problemHeaders[status] ?? {}, content: { [problemType]: { schema: problemSchema } } }
    return [problemName(status), responseObject(problem, components)]
  })
  return Object.fromEntries(responses.toSorted(([one], [other]) => (String(one) < String(other) ? -1 : 1)))
}

/** The name of the response for an error status, such as `NotFound`. */
function problemName(status: number): string {
  return (STATUS_CODES[status] ?? '').replaceAll(/[^A-Za-z]/g, '')
}

function problemReferences(route: DocumentedRoute): Record<string, object> {
  const statuses = Object.keys(codesByStatus(route))
  const twice = statuses.find((status) => route.answers[status] !== undefined)
  if (twice !== undefined) throw new Error(`${route.operation.operationId} answers ${twice} in two ways`)
  return Object.fromEntries(statuses.map((status) => [status, { $ref: `#/components/responses/${problemName(Number(status))}` }]))
}

/** The error codes of an operation by their status. */
function codesByStatus(route: DocumentedRoute): Record<string, string[]> {
  const byStatus = Map.groupBy(problemCodes(route).map(conditionOf), (condition) => condition.status)
  return Object.fromEntries([...byStatus].map(([status, known]) => [status, known.map(({ code }) => code)]))
}
