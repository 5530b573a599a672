import { encode } from 'cborg'
import { z } from 'zod'
import { PeerNotConnected, ProtocolUnsupported } from '../../errors.ts'
import { bytes } from '../../lib/bytes-schema.ts'
import { decodeCbor } from '../../lib/cbor.ts'
import { createDeadline } from '../../lib/deadline.ts'
import { createShares } from '../../lib/shares.ts'
import type { Limits } from '../../limits.ts'
import type { HandleOptions, P2PEngine, RequestHandler } from '../engine.ts'
import { bridgedProtocol } from './protocols.ts'

/**
 * `/peergate/bridge/1.0.0`: a request is CBOR of {to, envelope, timeoutMs}, an answer CBOR of {status} and, when the
 * recipient has answered, its envelope. `no_link`: the recipient is not linked to the bridge in a network that the
 * asker is not linked in. `unsupported`: it takes nothing from bridges. `busy`: too much is being carried, in all or to
 * it. `unanswered`: it has not answered.
 */
const carrySchema = z.strictObject({ to: z.string().min(1).max(128), envelope: bytes(), timeoutMs: z.int().min(1) })
export type Carry = z.infer<typeof carrySchema>

const carriedSchema = z.union([
  z.strictObject({ status: z.literal('answered'), envelope: bytes() }),
  z.strictObject({ status: z.enum(['no_link', 'unsupported', 'busy', 'unanswered']) }),
])
export type Carried = z.infer<typeof carriedSchema>

export const encodeCarry = (carry: Carry): Uint8Array => encode(carry)
/** @throws Error when the bytes are not an answer of a bridge */
export const decodeCarried = (raw: Uint8Array): Carried => carriedSchema.parse(decodeCbor(raw))

/** Bytes of the largest body that goes through a bridge, beyond `maxMessageBytes`: a batch of direct messages. */
const batchBytes = 262_144
const overheadBytes = 8_192

export const maxCarriedBytes = ({ maxMessageBytes }: Pick<Limits, 'maxMessageBytes'>) => maxMessageBytes + batchBytes + overheadBytes

export type BridgeLimits = Pick<
  Limits,
  'maxMessageBytes' | 'maxBridgedRequests' | 'maxBridgedRequestBytes' | 'maxRequestsToPeer' | 'requestTimeoutMs'
>

/** The limits of what comes from one peer, as a bridge and from one. */
export function carryOptions(limits: BridgeLimits): HandleOptions {
  return {
    maxRequestBytes: maxCarriedBytes(limits),
    maxConcurrent: limits.maxBridgedRequests,
    maxConcurrentBytes: limits.maxBridgedRequestBytes,
  }
}

/**
 * The work of a bridge: takes an envelope of a peer of one network to a linked peer of another, and the answer back. It
 * reads neither. It never asks another bridge, so nothing goes round.
 */
export function createCarrying(
  init: { limits: BridgeLimits },
  components: { engine: Pick<P2PEngine, 'peers' | 'request'>; onRefused: () => void },
): RequestHandler {
  const { limits } = init
  const { engine, onRefused } = components
  const places = createShares({ max: limits.maxBridgedRequests, maxPerHolder: limits.maxRequestsToPeer })

  /** Whether a bridge is the way between them. Peers of one network link to each other, through a relay if need be. */
  async function isBetween(from: string, to: string): Promise<boolean> {
    const linked = await engine.peers()
    const [asker, recipient] = [from, to].map((id) => linked.find(({ peerId }) => peerId === id))
    if (asker === undefined || recipient === undefined) return false
    return !recipient.networks.some((network) => asker.networks.includes(network))
  }

  async function carry(from: string, { to, envelope, timeoutMs }: Carry, signal: AbortSignal): Promise<Carried> {
    if (!(await isBetween(from, to))) return { status: 'no_link' }
    using place = places.take(to)
    if (place === undefined) {
      onRefused()
      return { status: 'busy' }
    }
    using deadline = createDeadline(Math.min(timeoutMs, limits.requestTimeoutMs), [signal])
    const options = { signal: deadline.signal, maxAnswerBytes: maxCarriedBytes(limits) }
    try {
      return { status: 'answered', envelope: await engine.request(to, bridgedProtocol, envelope, options) }
    } catch (error) {
      signal.throwIfAborted()
      if (error instanceof PeerNotConnected) return { status: 'no_link' }
      return { status: error instanceof ProtocolUnsupported ? 'unsupported' : 'unanswered' }
    }
  }

  return async ({ from, body, signal }) => encode(await carry(from, carrySchema.parse(decodeCbor(body)), signal))
}
