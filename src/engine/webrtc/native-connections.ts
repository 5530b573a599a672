import type { PeerConnection } from 'node-datachannel'
import type { StunAddress } from '../stun/stun-service.ts'
import { maxChannelMessageBytes } from './session-description.ts'

/** Makes a native peer connection. */
export type CreateNativeConnection = (stunServers: StunAddress[]) => PeerConnection

/** The name of a connection in the log of the native library, which is off. */
const name = 'peergate'

/** Loads the native library. */
export async function loadNativeConnections(): Promise<CreateNativeConnection> {
  const library = await import('node-datachannel')
  // As objects: it cannot read URLs with an IPv6 address.
  return (iceServers) => new library.PeerConnection(name, { iceServers, maxMessageSize: maxChannelMessageBytes })
}
