import { isUtf8 } from 'node:buffer'
import type { FastifyInstance } from 'fastify'
import { InvalidJson, UnsupportedMediaType } from '../errors.ts'

const charset = /;\s*charset\s*=\s*"?([^\s";]*)/i

/** Has bodies read as `application/json` and as nothing else: in UTF-8 (RFC 8259 §8.1), not compressed, and free of prototype keys.
 * What comes with a GET or a DELETE is no body and is not read. */
export function readJsonBodies(app: FastifyInstance): void {
  app.addHttpMethod('DELETE', { hasBody: false, overrideExisting: true })
  const parse = app.getDefaultJsonParser('error', 'error')
  app.removeAllContentTypeParsers()
  app.addContentTypeParser<Buffer>('application/json', { parseAs: 'buffer' }, (request, body, done) => {
    const encoding = charset.exec(request.headers['content-type'] ?? '')?.[1] ?? 'utf-8'
    if (!/^utf-?8$/i.test(encoding)) return done(new UnsupportedMediaType('A body is read only in UTF-8.'))
    if ((request.headers['content-encoding'] ?? 'identity') !== 'identity') {
      return done(new UnsupportedMediaType('A body is read only without Content-Encoding.'))
    }
    // No body: whether one is needed is for the operation's schema to say.
    if (body.length === 0) return done(null, undefined)
    if (!isUtf8(body)) return done(new InvalidJson('The body is not UTF-8.'))
    return parse(request, body.toString('utf8'), done)
  })
}
