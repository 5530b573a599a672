import { PeerNotConnected } from '../errors.ts'
import type { P2PEngine, RequestOptions } from './engine.ts'

/**
 * Sends a request on the existing link, or on one that `link` opens. No request is sent twice: without a link, nothing
 * left this node.
 */
export async function askPeer(
  engine: Pick<P2PEngine, 'request'>,
  request: { peerId: string; protocol: string; body: Uint8Array; link: () => Promise<unknown> },
  options: RequestOptions,
): Promise<Uint8Array> {
  const { peerId, protocol, body, link } = request
  try {
    return await engine.request(peerId, protocol, body, options)
  } catch (error) {
    if (!(error instanceof PeerNotConnected)) throw error
  }
  await link()
  return await engine.request(peerId, protocol, body, options)
}
