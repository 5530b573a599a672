import { isUtf8 } from 'node:buffer'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { costOfMembers, type Rates } from '../access/rates.ts'
import { InvalidJson, InvalidRequest, IpnsTypeRequired, type PeergateError, toPeergateError, UnsupportedMediaType } from '../errors.ts'
import { jsonShape } from '../lib/json-shape.ts'
import { ipnsType, rawType } from './operation.ts'
import { clientOf } from './request-bytes.ts'

const compressed = 'A body must not have a Content-Encoding.'

function notJson(): InvalidJson {
  return new InvalidJson('The body is not valid JSON.')
}

function notAnObject(): InvalidRequest {
  const message = 'must be an object'
  return new InvalidRequest(`The body is not valid: ${message}`, { errors: [{ path: '', message }] })
}

const charset = /;\s*charset\s*=\s*"?([^\s";]*)/i

/**
 * Reads bodies as `application/json`: UTF-8 (RFC 8259 §8.1), uncompressed. Keys such as `__proto__` are keys like any
 * other: JSON.parse gives the value a property of its own, and schemas know no such key. Reads
 * `application/octet-stream` if the operation accepts it, and otherwise only the type that the operation names. The body
 * of a GET or DELETE is not read. The members of its objects are charged before it is parsed.
 */
export function readBodies(app: FastifyInstance, components: { rates: Pick<Rates, 'take'> }): void {
  app.addHttpMethod('DELETE', { hasBody: false, overrideExisting: true })
  app.removeAllContentTypeParsers()
  app.addContentTypeParser<Buffer>('application/json', { parseAs: 'buffer' }, (request, body, done) => {
    if (typesOf(request)[0] !== 'application/json') return done(unsupportedType(request))
    const encoding = charset.exec(request.headers['content-type'] ?? '')?.[1] ?? 'utf-8'
    if (!/^utf-?8$/i.test(encoding)) return done(new UnsupportedMediaType('A body must be UTF-8.'))
    if (isCompressed(request)) return done(new UnsupportedMediaType(compressed))
    // An empty body: the operation's schema decides whether one is required.
    if (body.length === 0) return done(null, undefined)
    if (!isUtf8(body)) return done(new InvalidJson('The body is not UTF-8.'))
    const text = body.toString('utf8').replace(/^\ufeff/, '')
    const shape = jsonShape(text)
    if (shape.isTooDeep) return done(new InvalidJson('The body is nested too deeply.'))
    try {
      if (shape.members > 0) components.rates.take(clientOf(request), costOfMembers(shape.members))
    } catch (error) {
      return done(toPeergateError(error))
    }
    try {
      const value: unknown = JSON.parse(text)
      // Fastify passes null for a missing body.
      return value === null ? done(notAnObject()) : done(null, value)
    } catch {
      return done(notJson())
    }
  })
  for (const type of [rawType, ipnsType])
    app.addContentTypeParser<Buffer>(type, { parseAs: 'buffer' }, (request, body, done) => {
      if (!typesOf(request).includes(type)) return done(unsupportedType(request))
      if (isCompressed(request)) return done(new UnsupportedMediaType(compressed))
      return done(null, body)
    })
}

/** Types of bodies that the operation accepts. */
function typesOf({ routeOptions }: FastifyRequest): string[] {
  const { bodyType, rawBody } = routeOptions.config.operation ?? {}
  if (bodyType !== undefined) return [bodyType]
  return rawBody === true ? ['application/json', rawType] : ['application/json']
}

/** The refusal of a body for its type. */
export function unsupportedType(request: FastifyRequest): PeergateError {
  const types = typesOf(request)
  const Refusal = types.includes(ipnsType) ? IpnsTypeRequired : UnsupportedMediaType
  return new Refusal(`This operation accepts only ${types.join(' or ')}.`)
}

function isCompressed({ headers }: FastifyRequest): boolean {
  return (headers['content-encoding'] ?? 'identity') !== 'identity'
}
