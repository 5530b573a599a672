import compress from '@fastify/compress'
import type { FastifyInstance } from 'fastify'

/**
 * Content types that are compressed: JSON, YAML, and text. Not compressed are the bytes of messages, whose ETag names
 * them (RFC 9110 §8.8.3.3), and responses that grow line by line or event by event, which a compressor would hold back.
 */
const compressible = /^(?:application\/(?:[\w.-]+\+)?(?:json|yaml)|text\/(?!event-stream))/

/** Minimum bytes of a response that is compressed: smaller ones fit into a packet. */
const minBytes = 1_024

/**
 * Compresses responses with the encoding that the client prefers: zstd, br or gzip. Bodies of requests are not
 * decompressed, since a small one could expand to a large one.
 */
export async function compressAnswers(app: FastifyInstance): Promise<void> {
  await app.register(compress, {
    encodings: ['zstd', 'br', 'gzip'],
    customTypes: compressible,
    threshold: minBytes,
    globalDecompression: false,
  })
}
