import { isUtf8 } from 'node:buffer'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { InvalidJson, InvalidRequest, UnsupportedMediaType } from '../errors.ts'

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
 * `application/octet-stream` if the operation accepts it, and no other type. The body of a GET or DELETE is not read.
 */
export function readBodies(app: FastifyInstance): void {
  app.addHttpMethod('DELETE', { hasBody: false, overrideExisting: true })
  app.removeAllContentTypeParsers()
  app.addContentTypeParser<Buffer>('application/json', { parseAs: 'buffer' }, (request, body, done) => {
    const encoding = charset.exec(request.headers['content-type'] ?? '')?.[1] ?? 'utf-8'
    if (!/^utf-?8$/i.test(encoding)) return done(new UnsupportedMediaType('A body must be UTF-8.'))
    if (isCompressed(request)) return done(new UnsupportedMediaType(compressed))
    // An empty body: the operation's schema decides whether one is required.
    if (body.length === 0) return done(null, undefined)
    if (!isUtf8(body)) return done(new InvalidJson('The body is not UTF-8.'))
    const text = body.toString('utf8').replace(/^\ufeff/, '')
    try {
      const value: unknown = JSON.parse(text)
      // Fastify passes null for a missing body.
      return value === null ? done(notAnObject()) : done(null, value)
    } catch {
      return done(notJson())
    }
  })
  app.addContentTypeParser<Buffer>('application/octet-stream', { parseAs: 'buffer' }, (request, body, done) => {
    if (request.routeOptions.config.operation?.rawBody !== true) {
      return done(new UnsupportedMediaType('This operation accepts only application/json.'))
    }
    if (isCompressed(request)) return done(new UnsupportedMediaType(compressed))
    return done(null, body)
  })
}

function isCompressed({ headers }: FastifyRequest): boolean {
  return (headers['content-encoding'] ?? 'identity') !== 'identity'
}
