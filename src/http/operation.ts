import type { FastifyInstance, FastifyTypeProvider, RouteOptions } from 'fastify'
import { z } from 'zod'
import { conditions, storeConditions } from '../errors.ts'
import type { Action } from '../model/action.ts'
import type { Work } from './work-semaphores.ts'

/** What a route says of itself in its `config`, beside the schemas that Fastify keeps in its `schema`. */
export interface Operation {
  /** What a token must allow for it (API §6). */
  action: Action
  /** Unique; also the name in logs. */
  operationId: string
  summary: string
  description?: string
  tag: Tag
  /** Codes of errors it can answer, besides those that follow from its shape (`problemCodes`). */
  problems?: string[]
  /** The body may also be `application/octet-stream`, which reaches the handler as a Buffer, unchecked. */
  rawBody?: true
  /** Units of the client's budget that a call costs: 1 when it is not said. */
  cost?: number
  /** What it has the gateway do in the network, of which so much goes on at once. */
  work?: Work
  /** It changes the gateway itself: noted in the audit log before it is done. */
  audited?: true
  /** Served whatever the Host says, for those who call by address: load balancers and orchestrators. */
  anyHost?: true
}

declare module 'fastify' {
  interface FastifyContextConfig {
    operation?: Operation
    /** Only refuses; no part of the contract. */
    refuses?: true
  }
}

export const tags = {
  Node: 'This gateway.',
  Peers: 'Other peers of the network.',
  DHT: 'Values, providers and peers in the distributed hash table of the network.',
  Topics: 'Joining and leaving topics.',
  Messages: 'Publishing, and the log of messages.',
  'Direct messages': 'Messages to one peer, and what becomes of them.',
  Services: 'Requests to what clients of a peer serve.',
  Access: 'Tokens, sessions, and who did what.',
  Stream: 'Messages as they come, over a WebSocket.',
  Probes: 'For load balancers and orchestrators.',
  Documents: 'The contract.',
} as const
export type Tag = keyof typeof tags

/** Types of requests and answers are those of the route's zod schemas. */
export interface ZodProvider extends FastifyTypeProvider {
  validator: this['schema'] extends z.ZodType ? z.output<this['schema']> : unknown
  serializer: this['schema'] extends z.ZodType ? z.output<this['schema']> : unknown
}
export type App = ReturnType<typeof withZod>

export function withZod(app: FastifyInstance) {
  return app.withTypeProvider<ZodProvider>()
}

/** One status that a route can answer. */
export interface Answer {
  description: string
  /** What its further headers mean. */
  headers: Record<string, string>
  content: Record<string, { schema: z.ZodType; example?: unknown }>
}

const rawType = 'application/octet-stream'
/** OpenAPI 3.1 says it by the media type alone; generators of clients still look for the format of 3.0. */
const bytesSchema = z.custom<Buffer>().meta({ type: 'string', format: 'binary', contentMediaType: rawType })

/** A JSON answer, with an example, and what its further headers mean. */
export function json<Schema extends z.ZodType>(
  description: string,
  schema: Schema,
  example: z.input<Schema>,
  headers: Record<string, string> = {},
) {
  return { description, headers, content: { 'application/json': { schema, example } } } satisfies Answer
}

/** An answer of bytes as they are, and what its further headers mean. */
export function bytes(description: string, headers: Record<string, string> = {}) {
  return { description, headers, content: { [rawType]: { schema: bytesSchema } } } satisfies Answer
}

const linesType = 'application/x-ndjson'

/** A JSON answer, or the same as lines of JSON, as they come, for those who accept them. */
export function orLines(answer: Answer, line: z.ZodType) {
  return { ...answer, content: { ...answer.content, [linesType]: { schema: line } } } satisfies Answer
}

/** An answer without a body. */
export function empty(description: string, headers: Record<string, string> = {}) {
  return { description, headers, content: {} } satisfies Answer
}

/** For the `querystring` of an operation that takes none: any is refused. */
export const noQuery = z.strictObject({})

/** A route that the contract documents. */
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

/** @throws Error when a route does not say all that the contract needs of it */
export function documentedRoute(options: RouteOptions): DocumentedRoute {
  const method = String(options.method)
  const name = `${method} ${options.url}`
  const operation = options.config?.operation
  if (operation === undefined) throw new Error(`${name} has no operation in its config`)
  for (const code of operation.problems ?? []) conditionOf(code)
  const schema = routeSchema.safeParse(options.schema)
  if (!schema.success) throw new Error(`${name}: ${z.prettifyError(schema.error)}`)
  const { params, headers, querystring: query, body, response: answers } = schema.data
  if (query === undefined && options.url.startsWith('/v1/')) throw new Error(`${name} has no schema for its query`)
  if (/[:*]/.test(options.url) && params === undefined) throw new Error(`${name} has no schema for its parameters`)
  return { method, url: options.url, operation, params, headers, query, body, answers }
}

/** Every code that an operation can answer: those it names, and those that any request of its shape can meet. */
export function problemCodes(route: DocumentedRoute): string[] {
  const { operation, params, body } = route
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
  return [...codes]
}

export function conditionOf(code: string) {
  const found = conditions.find((condition) => condition.code === code)
  if (found === undefined) throw new Error(`there is no error with the code ${code}`)
  return found
}
