import { PeerNotConnected, ProtocolUnsupported } from '../../errors.ts'
import { createDeadline } from '../../lib/deadline.ts'
import { createShares } from '../../lib/shares.ts'
import type { Limits } from '../../limits.ts'
import type { HandleOptions, P2PEngine, RequestHandler, RequestOptions } from '../engine.ts'
import { peersBeside } from './beside.ts'
import { type Carried, type Carry, decodeCarried, decodeCarry, encodeCarried, encodeCarry } from './carry.ts'
import { bridgedProtocol, bridgeProtocol } from './protocols.ts'
import { createSearching } from './searching.ts'

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
 * The work of a bridge: takes an envelope of a peer of one network to a linked peer of another, or to the next bridge
 * of the route that the asker has named, and the answer back. It reads neither.
 */
export function createCarrying(
  init: { limits: BridgeLimits },
  components: { engine: Pick<P2PEngine, 'peerId' | 'peers' | 'request'>; onRefused: () => void },
): RequestHandler {
  const { limits } = init
  const { engine, onRefused } = components
  const places = createShares({ max: limits.maxBridgedRequests, maxPerHolder: limits.maxRequestsToPeer })
  const beside = (from: string) => peersBeside(engine, from)
  const searching = createSearching({ engine, beside, onRefused })

  async function handOn({ to, envelope, timeoutMs, route: [next, ...route] = [] }: Carry, options: RequestOptions): Promise<Carried> {
    if (next === undefined) return { status: 'answered', envelope: await engine.request(to, bridgedProtocol, envelope, options) }
    return decodeCarried(await engine.request(next, bridgeProtocol, encodeCarry({ to, envelope, timeoutMs, route }), options))
  }

  async function carry(from: string, asked: Carry, signal: AbortSignal): Promise<Carried> {
    const { to, route = [], search } = asked
    const [next = to] = route
    if (route.includes(engine.peerId)) return { status: 'no_link' }
    if (!(await beside(from)).some(({ peerId }) => peerId === next)) {
      return search === undefined || next !== to ? { status: 'no_link' } : await searching.search(from, { ...asked, search })
    }
    using place = places.take(to)
    if (place === undefined) {
      onRefused()
      return { status: 'busy' }
    }
    using deadline = createDeadline(Math.min(asked.timeoutMs, limits.requestTimeoutMs), [signal])
    try {
      return await handOn(asked, { signal: deadline.signal, maxAnswerBytes: maxCarriedBytes(limits) })
    } catch (error) {
      signal.throwIfAborted()
      if (error instanceof PeerNotConnected) return { status: 'no_link' }
      return { status: error instanceof ProtocolUnsupported ? 'unsupported' : 'unanswered' }
    }
  }

  return async ({ from, body, signal }) => encodeCarried(await carry(from, decodeCarry(body), signal))
}
