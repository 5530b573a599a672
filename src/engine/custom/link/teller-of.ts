import { multiaddr } from '@multiformats/multiaddr'
import type { Teller } from '../../dial/tellers.ts'

/** The teller of a link's peer: the remote address of the socket, or the relay that the link goes through. */
export function tellerOf({ seenAt, remote }: { seenAt: string | undefined; remote: string }): Teller {
  if (seenAt !== undefined) return { ip: seenAt, isRelayed: false }
  return { ip: multiaddr(remote).getComponents()[0]?.value ?? '', isRelayed: true }
}
