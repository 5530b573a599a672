import { PeerNotConnected } from '../errors.ts'
import type { P2PEngine, RequestOptions } from './engine.ts'

/**
 * Sends a request on the existing link, with `bridged` through a bridge that reaches the peer, or on a link that `link`
 * opens. No request is sent twice: without a link and a bridge, nothing left this node.
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
