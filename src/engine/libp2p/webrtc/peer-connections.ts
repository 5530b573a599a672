import type { PeerConnection } from 'node-datachannel'
import { type CreateNativeConnection, loadNativeConnections } from '../../webrtc/native-connections.ts'

/**
 * The native connections under the polyfill of WebRTC that libp2p uses. The polyfill keeps each channel that a peer has
 * opened until the connection ends: 7 kB, although it may have been closed at once. So here it is not told of them.
 */
export interface PeerConnections {
  /** Makes one for the option `peerConnection` of the polyfill. */
  create: CreateNativeConnection
  /** Hands further channels to the listeners of the polyfill of a connection, which then keeps none of them. */
  handOn(connection: PeerConnection, polyfill: EventTarget): void
}

/** Loads the native library. */
export async function loadPeerConnections(): Promise<PeerConnections> {
  const [create, { RTCDataChannel, RTCDataChannelEvent }] = await Promise.all([
    loadNativeConnections(),
    import('node-datachannel/polyfill'),
  ])
  return {
    create,
    handOn(connection, polyfill) {
      // There is one listener: it takes the place of the polyfill's own.
      connection.onDataChannel((channel) => {
        polyfill.dispatchEvent(new RTCDataChannelEvent('datachannel', { channel: new RTCDataChannel(channel) }))
      })
    },
  }
}
