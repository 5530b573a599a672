import { isIPv6 } from 'node:net'

/**
 * Milliseconds for a socket of IPv6 to connect. The addresses of a peer, and those of a name, are dialled one after
 * another: where a network drops packets of IPv6, those of IPv4 would wait for the whole time of the dial (RFC 8305). A
 * lost first packet of TCP is sent again after a second (RFC 6298).
 */
const ipv6ConnectMs = 1_500
/** QUIC connects with the first answer of the peer's process, where TCP has that of its system. */
const quicMoreMs = 1_000

/** Milliseconds for a dial of this IP address to connect; undefined: as long as the dial may take. */
export function connectMsOf(ip: string, { isQuic = false } = {}): number | undefined {
  if (!isIPv6(ip)) return undefined
  return isQuic ? ipv6ConnectMs + quicMoreMs : ipv6ConnectMs
}

/** The time for a socket to connect. Without milliseconds it has no end. */
export interface ConnectTime {
  /** The socket has connected, or the dial has ended. */
  end(): void
}

/** @param giveUp is called when the time is over and the socket has not connected */
export function createConnectTime(ms: number | undefined, giveUp: (reason: Error) => void): ConnectTime {
  let isOver = false
  // After a pause of this process the socket may have connected meanwhile, which the system tells before the check phase.
  const timer =
    ms === undefined ? undefined : setTimeout(() => setImmediate(() => isOver || giveUp(new Error(`no answer within ${ms} ms`))), ms)
  return {
    end() {
      isOver = true
      clearTimeout(timer)
    },
  }
}
