import { isUtf8 } from 'node:buffer'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { InvalidJson, InvalidRequest, UnsupportedMediaType } from '../errors.ts'

const compressed = 'A body must not have a Content-Encoding.'

/**
 * Keys that could reach a prototype, which no valid body has, in any escaped form. Searched in the text, whose cost
 * depends on its length alone; a walk through the values would not.
 */
const prototypeKeys = keysPattern(['__proto__', 'constructor'])

function keysPattern(keys: string[]): RegExp {
  const digits = (letter: string) =>
    letter
      .charCodeAt(0)
      .toString(16)
      .replace(/[a-f]/g, (digit) => `[${digit}${digit.toUpperCase()}]`)
  const escaped = (letter: string) => `(?:${letter}|\\\\u00${digits(letter)})`
  return new RegExp(`"(?:${keys.map((key) => [...key].map(escaped).join('')).join('|')})"\\s*:`)
}

function notJson(): InvalidJson {
  return new InvalidJson('The body is not valid JSON, or has a forbidden key ("__proto__", "constructor").')
}

const charset = /;\s*charset\s*=\s*"?([^\s";]*)/i

/**
 * Reads bodies as `application/json`: UTF-8 (RFC 8259 §8.1), uncompressed, without prototype keys. Reads
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
    if (prototypeKeys.test(text)) return done(notJson())
    try {
      const value: unknown = JSON.parse(text)
      // Fastify passes null for a missing body.
      return value === null ? done(new InvalidRequest('The body is not valid: it must be an object.')) : done(null, value)
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
