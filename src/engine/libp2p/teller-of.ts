import type { Connection } from '@libp2p/interface'
import { isCircuitAddress } from '../dial/circuit-address.ts'
import type { Teller } from '../dial/tellers.ts'

type RemoteAddr = Connection['remoteAddr']

/** Where the peer of a connection is seen, as a teller of addresses. */
export function tellerOf({ remoteAddr }: { remoteAddr: RemoteAddr }): Teller {
  return { ip: remoteAddr.getComponents()[0]?.value ?? '', isRelayed: isCircuitAddress(remoteAddr) }
}

/** The IP address at which the other end of a connection is seen; undefined behind a relay, and
 * for WebRTC, whose peer is known by its signals. */
export function seenAtOf(remoteAddr: RemoteAddr): string | undefined {
  const { ip, isRelayed } = tellerOf({ remoteAddr })
  return isRelayed || ip === '' ? undefined : ip
}
