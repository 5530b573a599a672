import { isUtf8 } from 'node:buffer'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { InvalidJson, UnsupportedMediaType } from '../errors.ts'

const compressed = 'A body is read only without Content-Encoding.'

const charset = /;\s*charset\s*=\s*"?([^\s";]*)/i

/**
 * Has bodies read as `application/json`: in UTF-8 (RFC 8259 §8.1), not compressed, and free of prototype keys; as
 * `application/octet-stream` where the operation says so; and as nothing else. What comes with a GET or a DELETE is no body and is not read.
 */
export function readBodies(app: FastifyInstance): void {
  app.addHttpMethod('DELETE', { hasBody: false, overrideExisting: true })
  const parse = app.getDefaultJsonParser('error', 'error')
  app.removeAllContentTypeParsers()
  app.addContentTypeParser<Buffer>('application/json', { parseAs: 'buffer' }, (request, body, done) => {
    const encoding = charset.exec(request.headers['content-type'] ?? '')?.[1] ?? 'utf-8'
    if (!/^utf-?8$/i.test(encoding)) return done(new UnsupportedMediaType('A body is read only in UTF-8.'))
    if (isCompressed(request)) return done(new UnsupportedMediaType(compressed))
    // No body: whether one is needed is for the operation's schema to say.
    if (body.length === 0) return done(null, undefined)
    if (!isUtf8(body)) return done(new InvalidJson('The body is not UTF-8.'))
    return parse(request, body.toString('utf8'), done)
  })
  app.addContentTypeParser<Buffer>('application/octet-stream', { parseAs: 'buffer' }, (request, body, done) => {
    if (request.routeOptions.config.operation?.rawBody !== true) {
      return done(new UnsupportedMediaType('This operation reads a body only as application/json.'))
    }
    if (isCompressed(request)) return done(new UnsupportedMediaType(compressed))
    return done(null, body)
  })
}

function isCompressed({ headers }: FastifyRequest): boolean {
  return (headers['content-encoding'] ?? 'identity') !== 'identity'
}
