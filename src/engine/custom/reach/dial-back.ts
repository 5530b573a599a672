import { multiaddr } from '@multiformats/multiaddr'
import { createTokenBucket, type TokenBucket } from '../../../lib/token-bucket.ts'
import type { RequestHandler } from '../../engine.ts'
import { dialBackAnswer, dialBackRequest } from './protocols.ts'

/**
 * Answers whether a peer can be dialled, by dialling it. Only at the IP address that the peer itself is seen at, so that nobody has this
 * node knock at others; a few times a minute, in all and for each peer.
 */
export interface DialBackInit {
  /** Milliseconds for all addresses of a request together. */
  timeoutMs: number
}

export interface DialBackComponents {
  /** Where a linked peer is seen, as an IP address; undefined when there is no direct link to it. */
  seenAt(peerId: string): string | undefined
  /**
   * Opens a socket to the address, proves who is there, and closes it.
   * @throws NotTried when the address leads elsewhere than to that IP address, or may not be dialled; another Error when nobody answers
   */
  probe(address: string, target: { ip: string; peerId: string }, signal: AbortSignal): Promise<void>
  now?: () => number
}

/** An address was not even dialled. */
export class NotTried extends Error {
  override readonly name = 'NotTried'
}

/** Requests of one peer, and of all. */
const ofOne = { perSecond: 1 / 20, burst: 5 }
const ofAll = { perSecond: 2, burst: 20 }
const maxPeers = 1_000

/** Handler of `dialBackProtocol`. */
export function createDialBack(init: DialBackInit, components: DialBackComponents): RequestHandler {
  const { seenAt, probe, now = () => performance.now() } = components
  const all = createTokenBucket(ofAll)
  const peers = new Map<string, TokenBucket>()

  function bucketOf(peerId: string): TokenBucket {
    const bucket = peers.get(peerId) ?? createTokenBucket(ofOne)
    // The one that asked longest ago is forgotten first.
    peers.delete(peerId)
    peers.set(peerId, bucket)
    const [oldest] = peers.keys()
    if (peers.size > maxPeers && oldest !== undefined) peers.delete(oldest)
    return bucket
  }

  return async ({ from, body, signal }) => {
    const { multiaddrs } = dialBackRequest.decode(body)
    const ip = seenAt(from)
    if (ip === undefined) throw new Error('only peers with a direct link are dialled back')
    if (!bucketOf(from).take(now()) || !all.take(now())) throw new Error('too many dial-backs were asked for')
    const deadline = AbortSignal.any([signal, AbortSignal.timeout(init.timeoutMs)])
    const results: Array<{ multiaddr: string; reached: boolean }> = []
    for (const address of multiaddrs) {
      try {
        await probe(multiaddr(address).toString(), { ip, peerId: from }, deadline)
        results.push({ multiaddr: address, reached: true })
      } catch (error) {
        if (!(error instanceof NotTried)) results.push({ multiaddr: address, reached: false })
      }
    }
    return dialBackAnswer.encode({ results })
  }
}
