import type { Connection } from '@libp2p/interface'

/** The connections in the order in which they should be used: direct ones before those through relays. */
export function directFirst(connections: Connection[]): Connection[] {
  return connections.toSorted((one, other) => Number(other.direct) - Number(one.direct))
}
