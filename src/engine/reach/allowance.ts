/**
 * Bounds what a peer can have this node send to others. A peer behind a relay names the addresses at which it wants to be
 * met, and those may be of hosts that have asked for nothing. So addresses at which nobody has answered are sent at most
 * three times as many bytes as the peer has sent (the bound of RFC 9000, section 8.1). On both sides headers of IP and UDP
 * are left out.
 */
export interface Allowance {
  /**
   * Takes bytes that are about to be sent.
   * @returns a function that gives them back, when somebody answers; undefined when the peer has not sent enough
   */
  take(bytes: number): (() => void) | undefined
}

/** Bytes to an address for each that the peer has sent. */
const factor = 3

/**
 * The segments of TCP that ask an address for a connection, for as long as an attempt lasts: 40 bytes each, at most once
 * a second (RFC 6298; Linux sends up to four before it doubles the pauses).
 */
export const tcpDialBytes = 8 * 40

/** A dial over QUIC that nobody answers, until its handshake is given up: seven packets in ten seconds. */
export const quicDialBytes = 9_000

/** @param receivedBytes the bytes that the peer of a connection has sent on it so far */
export function createAllowances<Key extends object>(receivedBytes: (key: Key) => number): (key: Key) => Allowance {
  const taken = new WeakMap<Key, number>()

  return (key) => ({
    take(bytes) {
      const before = taken.get(key) ?? 0
      if (before + bytes > factor * receivedBytes(key)) return undefined
      taken.set(key, before + bytes)
      let isTaken = true
      return () => {
        if (isTaken) taken.set(key, (taken.get(key) ?? 0) - bytes)
        isTaken = false
      }
    },
  })
}

/** Makes a dial whose bytes are taken from an allowance unless it connects. @throws Error when there are none left */
export async function dialWithin<Connected>(allowance: Allowance, bytes: number, dial: () => Promise<Connected>): Promise<Connected> {
  const giveBack = allowance.take(bytes)
  if (giveBack === undefined) throw new Error('the peer has sent too little to name more addresses')
  const connected = await dial()
  giveBack()
  return connected
}
