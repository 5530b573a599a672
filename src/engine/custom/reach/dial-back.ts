import { multiaddr } from '@multiformats/multiaddr'
import { createDeadline } from '../../../lib/deadline.ts'
import { createLru } from '../../../lib/lru.ts'
import { createTokenBucket } from '../../../lib/token-bucket.ts'
import type { RequestHandler } from '../../engine.ts'
import { dialBackAnswer, dialBackRequest } from './protocols.ts'

/**
 * Answers whether a peer can be dialled, by dialling it. Only the IP address of the peer's own link is dialled, so that
 * this node can't be made to dial third parties. The rate is limited per peer and in all.
 */
export interface DialBackInit {
  /** Milliseconds for all addresses of a request together. */
  timeoutMs: number
}

export interface DialBackComponents {
  /** The observed IP address of a linked peer; undefined without a direct link. */
  seenAt(peerId: string): string | undefined
  /**
   * Opens a socket to the address, verifies the peer id, and closes it.
   * @throws NotTried when the address leads to another IP address or may not be dialled; another Error when the peer
   * does not answer
   */
  probe(address: string, target: { ip: string; peerId: string }, signal: AbortSignal): Promise<void>
  now?: () => number
}

/** An address was not dialled. */
export class NotTried extends Error {
  override readonly name = 'NotTried'
}

/** Rates of requests: of one peer, of which the most recently asking ones are counted, and of all. */
const ofOne = { perSecond: 1 / 20, burst: 5 }
const ofAll = { perSecond: 2, burst: 20 }
const maxPeers = 1_000

/** Handler of `dialBackProtocol`. */
export function createDialBack(init: DialBackInit, components: DialBackComponents): RequestHandler {
  const { seenAt, probe, now = () => performance.now() } = components
  const all = createTokenBucket(ofAll)
  const bucketOf = createLru({ max: maxPeers }, () => createTokenBucket(ofOne))

  return async ({ from, body, signal }) => {
    const { multiaddrs } = dialBackRequest.decode(body)
    const ip = seenAt(from)
    if (ip === undefined) throw new Error('only peers with a direct link are dialled back')
    if (!bucketOf(from).take(now()) || !all.take(now())) throw new Error('too many dial-backs')
    using deadline = createDeadline(init.timeoutMs, [signal])
    const results: Array<{ multiaddr: string; reached: boolean }> = []
    for (const address of multiaddrs) {
      try {
        await probe(multiaddr(address).toString(), { ip, peerId: from }, deadline.signal)
        results.push({ multiaddr: address, reached: true })
      } catch (error) {
        if (!(error instanceof NotTried)) results.push({ multiaddr: address, reached: false })
      }
    }
    return dialBackAnswer.encode({ results })
  }
}
