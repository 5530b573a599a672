import type { DCUtRServiceComponents } from '@libp2p/dcutr'
import type { Multiaddr } from '@multiformats/multiaddr'
import { createDeadline } from '../../../lib/deadline.ts'
import { punchTransportOf } from './observed-addresses.ts'

/**
 * Milliseconds for the dial of a peer's own addresses, before a hole is punched. libp2p gives it as long as an attempt
 * to punch, 5 s: behind a router that drops the packets, the pair would wait as long for nothing.
 */
const firstDialMs = 1_000

type OpenConnection = DCUtRServiceComponents['connectionManager']['openConnection']

/**
 * Bounds the dial of a peer that may need no punching. An address that takes longer is dialled again while a hole is
 * punched, if it is one of TCP or QUIC: a peer that has no such address has all the time.
 */
export function boundedFirstDial(open: OpenConnection): OpenConnection {
  return async (target, options = {}) => {
    if (!Array.isArray(target) || !target.some(isPunchable)) return await open(target, options)
    using deadline = createDeadline(firstDialMs, options.signal === undefined ? [] : [options.signal])
    return await open(target, { ...options, signal: deadline.signal })
  }
}

function isPunchable(address: Multiaddr): boolean {
  return punchTransportOf(address) !== undefined
}
