import { clientError, type ErrorFields, PeergateError } from './errors.ts'
import type { paths } from './openapi.ts'

type Method = 'get' | 'post' | 'put' | 'delete' | 'patch'

/** The methods of a path. */
type MethodOf<Path extends keyof paths> = {
  [Name in Method & keyof paths[Path]]: [NonNullable<paths[Path][Name]>] extends [never] ? never : Name
}[Method & keyof paths[Path]]

type Part<Operation, Place extends 'path' | 'query'> = Operation extends { parameters: { [Name in Place]: infer Values } }
  ? { [Name in Place]: Values }
  : Operation extends { parameters: { [Name in Place]?: infer Values } }
    ? { [Name in Place]?: Values }
    : unknown

type BodyPart<Operation> = Operation extends { requestBody: { content: { 'application/json': infer Body } } }
  ? { body: Body }
  : Operation extends { requestBody?: { content: { 'application/json': infer Body } } }
    ? { body?: Body }
    : unknown

/** What a call takes: `path`, `query` and `body` as the operation has them. */
export type RestInput<Operation> = Part<Operation, 'path'> &
  Part<Operation, 'query'> &
  BodyPart<Operation> & { headers?: Record<string, string>; signal?: AbortSignal }

type BodyOf<Response> = Response extends { content: { 'application/json': infer Body } | { 'text/plain': infer Body } } ? Body : undefined

/** What a call returns: the body of the answer of success, JSON as a value; undefined without one. */
export type RestAnswer<Operation> = Operation extends { responses: infer Responses }
  ? BodyOf<Responses[keyof Responses & (200 | 201 | 202 | 204)]>
  : never

export interface Rest {
  /**
   * `call('get', '/v1/topics/{topic}', { path: { topic: 'orders' } })`
   * @throws PeergateError with the code of the problem
   */
  call<Path extends keyof paths, Name extends MethodOf<Path>>(
    method: Name,
    path: Path,
    ...input: Record<string, never> extends RestInput<paths[Path][Name]> ? [RestInput<paths[Path][Name]>?] : [RestInput<paths[Path][Name]>]
  ): Promise<RestAnswer<paths[Path][Name]>>
}

interface RestInit {
  url: string
  token?: string | undefined | (() => string | Promise<string>)
  fetch: typeof fetch
}

interface AnyInput {
  path?: Record<string, unknown>
  query?: Record<string, unknown>
  body?: unknown
  headers?: Record<string, string>
  signal?: AbortSignal
}

export function createRest({ url, token, fetch }: RestInit): Rest {
  return {
    async call(method: string, path: string, { path: names = {}, query = {}, body, headers, signal }: AnyInput = {}) {
      const bearer = typeof token === 'function' ? await token() : token
      const answer = await fetch(url.replace(/\/$/, '') + filled(path, names) + search(query), {
        method: method.toUpperCase(),
        headers: {
          ...(bearer === undefined ? {} : { authorization: `Bearer ${bearer}` }),
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
          ...headers,
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        ...(signal === undefined ? {} : { signal }),
      })
      const text = await answer.text()
      if (!answer.ok) throw new PeergateError(problemOf(text, answer), answer.status)
      if (text === '') return undefined
      return answer.headers.get('content-type')?.startsWith('text/plain') ? text : parsed(text)
    },
  }
}

function filled(path: string, names: Record<string, unknown>): string {
  return path.replace(/\{(\w+)\}/g, (_, name) => encodeURIComponent(String(names[name])))
}

function search(query: Record<string, unknown>): string {
  const pairs = Object.entries(query).flatMap(([name, value]) =>
    (Array.isArray(value) ? value : [value]).filter((one) => one !== undefined).map((one): [string, string] => [name, String(one)]),
  )
  return pairs.length === 0 ? '' : `?${new URLSearchParams(pairs)}`
}

/** @throws PeergateError when it is not JSON, such as the page of a server that is no gateway */
function parsed(text: string) {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw clientError('protocol_error', 'The answer is not that of a gateway', cause)
  }
}

/** A proxy in front of a gateway answers with whatever it likes. */
function problemOf(text: string, { status, headers }: Response): ErrorFields {
  const seconds = Number(headers.get('retry-after') ?? Number.NaN)
  const wait = Number.isFinite(seconds) ? { retryAfterMs: seconds * 1_000 } : {}
  try {
    const problem: Partial<ErrorFields> = Object(JSON.parse(text))
    if (typeof problem.code === 'string') return { ...wait, ...problem, code: problem.code }
  } catch {
    // Not JSON.
  }
  return { code: `http_${status}`, detail: `The answer has the status ${status}`, retryable: status >= 500, ...wait }
}
