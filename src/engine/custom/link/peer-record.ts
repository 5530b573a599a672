import { recordAddresses } from '../overlay/frames.ts'
import type { PeerRecord } from '../overlay/overlay.ts'
import type { Link } from './link.ts'

/** What other peers are told of a linked one. */
export function recordOf({ peerId, hello }: Pick<Link, 'peerId' | 'hello'>): PeerRecord {
  return { peerId, multiaddrs: recordAddresses(hello.multiaddrs) }
}
