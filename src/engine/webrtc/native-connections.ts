import type { PeerConnection } from 'node-datachannel'
import { maxChannelMessageBytes } from './session-description.ts'

/** Makes a native peer connection. STUN servers are named as `stun:<host>:<port>`. */
export type CreateNativeConnection = (stunServers: string[]) => PeerConnection

/** The name of a connection in the log of the native library, which is off. */
const name = 'peergate'

/** Loads the native library. */
export async function loadNativeConnections(): Promise<CreateNativeConnection> {
  const library = await import('node-datachannel')
  return (iceServers) => new library.PeerConnection(name, { iceServers, maxMessageSize: maxChannelMessageBytes })
}
