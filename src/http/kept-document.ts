import type { FastifyReply, FastifyRequest } from 'fastify'
import { costOfBytes, type Rates } from '../access/rates.ts'
import { createSingleFlight } from '../lib/single-flight.ts'
import { acceptedEncoding, compress, type Encoding, setEncoding } from './compression.ts'
import { requestCost } from './count-requests.ts'

/**
 * A document that is the same for everybody, and that needs no token: it is read once, and compressed once for each
 * coding, however many ask for it. Its bytes are charged to the address.
 */
export interface KeptDocument {
  /** Resolves when the answer is sent. @throws RateLimited, and what `read` throws */
  send(request: Pick<FastifyRequest, 'headers' | 'client'>, reply: FastifyReply): Promise<void>
}

/** Bytes that all answers share: those of a slow reader hold no memory of their own. */
const shared = new WeakSet<Uint8Array>()

export function isShared(payload: unknown): boolean {
  return payload instanceof Uint8Array && shared.has(payload)
}

export function createKeptDocument(read: () => Promise<Buffer>, components: { rates: Pick<Rates, 'take'> }): KeptDocument {
  const plain = keep(read)
  const compressed = (encoding: Encoding) => keep(async () => await compress(encoding, await plain()))
  const forms = { zstd: compressed('zstd'), br: compressed('br'), gzip: compressed('gzip') }

  return {
    async send({ headers, client }, reply) {
      const encoding = acceptedEncoding(headers['accept-encoding'])
      const bytes = await (encoding === undefined ? plain() : forms[encoding]())
      components.rates.take({ address: client.address }, requestCost + costOfBytes(bytes.length), requestCost)
      if (encoding !== undefined) setEncoding(reply, encoding)
      await reply.send(bytes)
    },
  }
}

/** What the first run that succeeds returns; those that come meanwhile wait for the same run. */
function keep(work: () => Promise<Buffer>): () => Promise<Buffer> {
  const flight = createSingleFlight(work)
  let kept: Buffer | undefined
  return async () => {
    if (kept !== undefined) return kept
    kept = await flight.run()
    shared.add(kept)
    return kept
  }
}
