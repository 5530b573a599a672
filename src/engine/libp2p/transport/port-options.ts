import type { Connection, DialTransportOptions, MultiaddrConnection, Upgrader, UpgraderOptions } from '@libp2p/interface'
import { createConnectTime } from '../../dial/connect-time.ts'
import type { Allowance } from '../../reach/allowance.ts'

/** Options of a dial beyond libp2p's, which the transport manager passes on. */
export interface PortOptions {
  /** Of a dial that punches a hole: with false this end answers the handshake of a socket that both ends dial. */
  initiator?: boolean
  /**
   * Of a dial-back: it leaves from a port that the peer has not sent to. From another one it would pass a router that
   * lets in nobody else (https://github.com/libp2p/specs/blob/master/autonat/autonat-v2.md#implementation-suggestions).
   */
  fromAnyPort?: boolean
  /** Of a dial that punches a hole: the direct connection that the peer opens meanwhile. */
  opened?: Promise<Connection>
  /**
   * Of a dial that punches a hole: its signal once it is connected. One that has come so far goes on when another one
   * has succeeded: the ends see them in different order, and would each end the one that the other has chosen.
   */
  connectedSignal?: AbortSignal
  /** Of a dial that punches a hole by QUIC: from which its packets are taken until the address answers. */
  allowance?: Allowance
}

/**
 * Dial options whose signal no longer affects the socket once it is connected. libp2p passes the signal to Node, which
 * destroys the socket whenever it fires: even when the link is open by then and only the caller has given up.
 * @param connectMs time for the socket to connect, in milliseconds. Default: as long as the caller waits
 */
export function abortingUntilConnected<Options extends DialTransportOptions & PortOptions>(options: Options, connectMs?: number): Options {
  const { signal, upgrader, connectedSignal = signal } = options
  const connecting = new AbortController()
  const time = createConnectTime(connectMs, (reason) => connecting.abort(reason))
  const abort = () => connecting.abort(signal.reason)
  signal.addEventListener('abort', abort, { once: true })
  if (signal.aborted) abort()
  connecting.signal.addEventListener('abort', () => time.end(), { once: true })
  const upgradeOutbound: Upgrader['upgradeOutbound'] = (connection: MultiaddrConnection, upgrading: UpgraderOptions) => {
    connecting.signal.throwIfAborted()
    time.end()
    signal.removeEventListener('abort', abort)
    // The muxer numbers its streams by this, whichever end answers the handshake.
    if (options.initiator === false) connection.direction = 'inbound'
    return upgrader.upgradeOutbound(connection, { ...upgrading, signal: connectedSignal })
  }
  return { ...options, signal: connecting.signal, upgrader: Object.assign(Object.create(upgrader), { upgradeOutbound }) }
}
