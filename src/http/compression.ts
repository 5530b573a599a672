import { promisify } from 'node:util'
import { brotliCompress, constants, gzip, zstdCompress } from 'node:zlib'
import type { FastifyInstance, FastifyReply } from 'fastify'
import { createClientShares } from '../access/client-shares.ts'
import type { Limits } from '../limits.ts'
import { keyOf } from './count-requests.ts'
import { refuseEnded } from './end-with-token.ts'

/**
 * Content types that are compressed: JSON, YAML, and text. Not compressed are the bytes of messages, whose ETag names
 * them (RFC 9110 §8.8.3.3), and responses that grow line by line or event by event, which a compressor would hold back.
 */
const compressible = /^(?:application\/(?:[\w.-]+\+)?(?:json|yaml)|text\/(?!event-stream))/

/** Minimum bytes of a response that is compressed: smaller ones fit into a packet. */
const minBytes = 1_024
/**
 * Responses that are being compressed at a time, shared by clients: one thread of the pool of Node.js (libuv has four)
 * is left for files and signatures.
 */
const maxCompressions = 3
/** Of brotli: more takes several times as long for a tenth less. */
const brotliQuality = 4

const compressors = {
  zstd: promisify(zstdCompress),
  br: (bytes: Buffer) =>
    promisify(brotliCompress)(bytes, {
      params: { [constants.BROTLI_PARAM_QUALITY]: brotliQuality, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length },
    }),
  gzip: promisify(gzip),
} satisfies Record<string, (bytes: Buffer) => Promise<Buffer>>

/** Content codings, the preferred one first. */
export const encodings = ['zstd', 'br', 'gzip'] as const
export type Encoding = (typeof encodings)[number]

/**
 * Compresses responses with the coding that the client prefers. When too many are being compressed, in all or for this
 * client, a response is sent as it is. Bodies of requests are not decompressed, since a small one could expand to a
 * large one.
 */
export function compressAnswers(app: FastifyInstance, init: { limits: Pick<Limits, 'clientSharePercent'> }): void {
  const places = createClientShares({ max: maxCompressions, limits: init.limits })

  app.addHook('onSend', async (request, reply, payload) => {
    if (!(typeof payload === 'string' || Buffer.isBuffer(payload)) || Buffer.byteLength(payload) < minBytes) return payload
    if (reply.hasHeader('content-encoding') || !compressible.test(String(reply.getHeader('content-type')))) return payload
    const encoding = acceptedEncoding(request.headers['accept-encoding'])
    if (encoding === undefined) return payload
    using place = places.take(keyOf(request))
    if (place === undefined) return payload
    const compressed = await compress(encoding, Buffer.from(payload))
    // It may have ended meanwhile.
    refuseEnded(request, reply)
    setEncoding(reply, encoding)
    return compressed
  })
}

export function compress(encoding: Encoding, bytes: Buffer): Promise<Buffer> {
  return compressors[encoding](bytes)
}

export function setEncoding(reply: FastifyReply, encoding: Encoding): void {
  const vary = reply.getHeader('vary')
  reply.header('content-encoding', encoding).header('vary', vary === undefined ? 'accept-encoding' : `${vary}, accept-encoding`)
}

/** The coding of Accept-Encoding (RFC 9110 §12.5.3) with the largest weight; undefined for none of ours. */
export function acceptedEncoding(header = ''): Encoding | undefined {
  const weights = new Map<string, number>()
  for (const item of header.toLowerCase().split(',')) {
    const [name = '', ...parameters] = item.split(';').map((part) => part.trim())
    const weight = parameters.find((parameter) => parameter.startsWith('q='))
    // Every client knows gzip.
    weights.set(name === '*' ? 'gzip' : name, weight === undefined ? 1 : Number(weight.slice(2)) || 0)
  }
  const weightOf = (name: string) => weights.get(name) ?? 0
  const best = Math.max(...encodings.map(weightOf))
  return best > 0 ? encodings.find((name) => weightOf(name) === best) : undefined
}
