import type { FastifyInstance, FastifyTypeProvider, RouteOptions } from 'fastify'
import { z } from 'zod'
import { conditions, storeConditions } from '../errors.ts'
import type { Action } from '../model/action.ts'
import { type JsonSchema, jsonSchema } from './json-schema.ts'
import type { TopicRights } from './topic-rights.ts'
import type { Work } from './work-semaphores.ts'

/** The contract of a route, in its `config`; its schemas are in Fastify's `schema`. */
export interface Operation {
  /** Action that the token must allow. */
  action: Action
  /** Topics that the token must allow. Required if the path, the query or the body names a topic. */
  topics?: TopicRights
  /** Unique. Also the name in logs and metrics. */
  operationId: string
  summary: string
  description?: string
  tag: Tag
  /** Error codes, besides those that follow from the shape of the route (`problemCodes`). */
  problems?: string[]
  /** The body may also be `application/octet-stream`, which reaches the handler as a Buffer, without validation. */
  rawBody?: true
  /**
   * Specification by others that the operation follows, a URL. It is then no part of the OpenAPI document, and its
   * refusals have the statuses of that specification.
   */
  specifiedBy?: string
  /** Media type of the body in place of JSON. Any other is refused; the body reaches the handler as a Buffer. */
  bodyType?: string
  /** Pages of all origins can read the answer. */
  anyOrigin?: boolean
  /** What a repetition of the request does, in a sentence. Required of a POST that takes no idempotency key. */
  repetition?: string
  /** Units of the client's budget that a call costs. Default: 1. */
  cost?: number
  /** Kind of work whose concurrency is limited: of the network, or a list from the database. */
  work?: Work
  /** The operation changes the gateway itself. It is written to the audit log before it runs. */
  audited?: true
  /** Served with any Host header, for clients that call by address: load balancers and orchestrators. */
  anyHost?: true
}

declare module 'fastify' {
  interface FastifyContextConfig {
    operation?: Operation
    /** The route only refuses requests, and is not part of the contract. */
    refuses?: true
    /** Pages of all origins may ask what this path allows. */
    anyOrigin?: boolean
  }
}

export const tags = {
  Node: 'This gateway.',
  Peers: 'Other peers of the network.',
  DHT: 'Values, providers and peers in the distributed hash table of the network.',
  Topics: 'Joining and leaving topics.',
  Messages: 'Publishing messages, and reading the log.',
  Consumers: 'Positions in the log that workers share.',
  'Direct messages': 'Messages to one peer, and their deliveries.',
  Webhooks: 'Messages that are pushed to a URL.',
  Services: 'Requests to services that clients of a peer provide.',
  Access: 'Tokens, sessions, and the audit log.',
  Stream: 'Live messages, over a WebSocket or server-sent events.',
  Probes: 'Health checks for load balancers and orchestrators, and metrics.',
  Documents: 'The contract, in machine-readable form and as an API explorer.',
} as const
export type Tag = keyof typeof tags

/** Infers the types of requests and responses from the route's zod schemas. */
export interface ZodProvider extends FastifyTypeProvider {
  validator: this['schema'] extends z.ZodType ? z.output<this['schema']> : unknown
  serializer: this['schema'] extends z.ZodType ? z.output<this['schema']> : unknown
}
export type App = ReturnType<typeof withZod>

export function withZod(app: FastifyInstance) {
  return app.withTypeProvider<ZodProvider>()
}

/** A response of a route, for one status. */
export interface Answer {
  description: string
  /** Descriptions of additional headers. */
  headers: Record<string, string>
  content: Record<string, { schema: z.ZodType; example?: unknown }>
}

/** Bytes of any kind. */
export const rawType = 'application/octet-stream'
/** An IPNS record (https://specs.ipfs.tech/ipns/ipns-record/). */
export const ipnsType = 'application/vnd.ipfs.ipns-record'
/** In OpenAPI 3.1 the media type suffices; client generators still look for the format of 3.0. */
export const bytesSchema = z.custom<Buffer>().meta({ type: 'string', format: 'binary', contentMediaType: rawType })

/** A JSON response, with an example and descriptions of additional headers. */
export function json<Schema extends z.ZodType>(
  description: string,
  schema: Schema,
  example: z.input<Schema>,
  headers: Record<string, string> = {},
) {
  return { description, headers, content: { 'application/json': { schema, example } } } satisfies Answer
}

/** A response of raw bytes, with descriptions of additional headers. */
export function bytes(description: string, headers: Record<string, string> = {}) {
  return { description, headers, content: { [rawType]: { schema: bytesSchema } } } satisfies Answer
}

const linesType = 'application/x-ndjson'

/** A JSON response, or newline-delimited JSON for clients that accept it. */
export function orLines(answer: Answer, line: z.ZodType) {
  return { ...answer, content: { ...answer.content, [linesType]: { schema: line } } } satisfies Answer
}

/** A response without a body. */
export function empty(description: string, headers: Record<string, string> = {}) {
  return { description, headers, content: {} } satisfies Answer
}

/** The `body` of an operation that needs none: absent or `{}`. */
export const noBody = z
  .strictObject({})
  .meta({ id: 'EmptyBody', description: 'A body without fields, for clients that must send one.' })
  .optional()
  .meta({ example: {} })

/** The `querystring` of an operation without parameters: refuses any. */
export const noQuery = z.strictObject({})

/** What the contract says of a route, without its handler. */
export interface RouteDeclaration extends Pick<RouteOptions, 'url'> {
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  config: { operation: Operation }
  schema: { params?: z.ZodType; headers?: z.ZodType; querystring?: z.ZodType; body?: z.ZodType; response: Record<number, Answer> }
}

/** Declares a route, with the types of its schemas, by which its handler is typed. */
export function declareRoute<Declaration extends RouteDeclaration>(declaration: Declaration): Declaration {
  return declaration
}

/** A route of the contract. */
export interface DocumentedRoute {
  method: string
  url: string
  operation: Operation
  params: z.ZodObject | undefined
  headers: z.ZodObject | undefined
  query: z.ZodObject | undefined
  body: z.ZodType | undefined
  answers: Record<string, Answer>
}

const routeSchema = z.object({
  params: z.instanceof(z.ZodObject).optional(),
  headers: z.instanceof(z.ZodObject).optional(),
  querystring: z.instanceof(z.ZodObject).optional(),
  body: z.instanceof(z.ZodType).optional(),
  response: z.record(
    z.string().regex(/^[1-5]\d\d$/),
    z.object({
      description: z.string().min(1),
      headers: z.record(z.string(), z.string()),
      content: z.record(z.string(), z.object({ schema: z.instanceof(z.ZodType), example: z.unknown().optional() })),
    }),
  ),
})

/** @throws Error when the route lacks something that the contract needs */
export function documentedRoute(declaration: RouteDeclaration): DocumentedRoute {
  const { method, url } = declaration
  const name = `${method} ${url}`
  const { operation } = declaration.config
  for (const code of operation.problems ?? []) conditionOf(code)
  const schema = routeSchema.safeParse(declaration.schema)
  if (!schema.success) throw new Error(`${name}: ${z.prettifyError(schema.error)}`)
  const { params, headers, querystring: query, body, response: answers } = schema.data
  if (query === undefined && url.startsWith('/v1/')) throw new Error(`${name} has no schema for its query`)
  if (/[:*]/.test(url) && params === undefined) throw new Error(`${name} has no schema for its parameters`)
  if (method === 'POST' && headers?.shape['idempotency-key'] === undefined && operation.repetition === undefined)
    throw new Error(`${name} takes no idempotency key, and does not say what a repetition does`)
  return { method, url, operation, params, headers, query, body, answers }
}

/**
 * Checked when the documents are made, in each run of the tests, rather than at each start: to look through all schemas
 * takes 25 ms.
 * @throws Error when the route names a topic, but has no topic rights
 */
export function checkTopicRights({ method, url, operation, params, query, body }: DocumentedRoute): void {
  if (operation.topics === undefined && [params, query, body].some(namesTopic))
    throw new Error(`${method} ${url} names a topic, but has no topic rights`)
}

function namesTopic(schema: z.ZodType | undefined): boolean {
  if (schema === undefined) return false
  const named = new Map<string, JsonSchema>()
  jsonSchema(schema, 'gateway', named)
  return named.has('Topic') || named.has('TopicPattern')
}

/** Every error code of an operation: those it names, and those that follow from the shape of the route. */
export function problemCodes(route: DocumentedRoute): string[] {
  const { operation, params, headers, query, body } = route
  const codes = new Set([
    ...['origin_not_allowed', 'client_timeout', 'headers_too_large', 'internal_error', 'rate_limited', 'invalid_request'],
    ...(operation.problems ?? []),
  ])
  if (operation.anyHost !== true) codes.add('host_not_allowed')
  if (operation.action !== 'none')
    for (const code of ['unauthorized', 'invalid_token', 'forbidden', 'token_check_unavailable', 'overloaded']) codes.add(code)
  if (operation.audited === true) codes.add('store_unavailable')
  if (codes.has('store_unavailable')) for (const { code } of storeConditions) codes.add(code)
  if (operation.work !== undefined) codes.add('overloaded')
  if (params !== undefined) codes.add('uri_too_long')
  if (body !== undefined) for (const code of ['invalid_json', 'unsupported_media_type', 'body_too_large']) codes.add(code)
  const inputs = new Map<string, JsonSchema>()
  for (const part of [params, headers, query, body]) if (part !== undefined) jsonSchema(part, 'gateway', inputs)
  for (const [code, names] of Object.entries(codesOfInputs)) if (names.some((name) => inputs.has(name))) codes.add(code)
  return [...codes]
}

/** Codes of errors in named inputs, by the components that have them. */
const codesOfInputs = { invalid_topic: ['Topic', 'TopicPattern'], invalid_peer_id: ['PeerId'], invalid_multiaddr: ['Multiaddr'] }

export function conditionOf(code: string) {
  const found = conditions.find((condition) => condition.code === code)
  if (found === undefined) throw new Error(`there is no error with the code ${code}`)
  return found
}
