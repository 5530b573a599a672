import type { Listener } from '@libp2p/interface'

/**
 * Handshakes of a QUIC listener that are in progress at a time. One that its peer does not go on with ends after the idle
 * timeout. Each takes some 60 kB outside of the heap.
 */
export const maxQuicHandshakes = 500

/** Internals of the listener; their use checks that they exist. */
interface ListenerParts extends Listener {
  awaitInboundConnections?(): Promise<void>
}

/**
 * Has a listener of QUIC let many peers in at a time. By itself it waits for the end of a handshake before it takes the
 * next one (`inbound_connection` in js-libp2p-quic/rust/lib.rs), so one packet of a stranger would keep all others out
 * until the idle timeout.
 */
export function letInAtOnce(listener: Listener, max = maxQuicHandshakes): void {
  const parts: ListenerParts = listener
  const { awaitInboundConnections } = parts
  if (awaitInboundConnections === undefined) throw new Error('a QUIC listener awaits its connections in another way')
  parts.awaitInboundConnections = async () => {
    await Promise.all(Array.from({ length: max }, async () => await awaitInboundConnections.call(listener)))
  }
}
