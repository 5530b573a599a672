/**
 * The transport of a link: whole binary messages, in order, both ways. Either a WebSocket or a circuit through a relay.
 */
export interface RecordSocket {
  readonly readyState: number
  readonly OPEN: number
  /** Bytes sent and not yet taken by the network. */
  readonly bufferedAmount: number
  readonly isPaused: boolean
  /** @param sent is called when the network has taken the message, or the socket is gone */
  send(message: Uint8Array, options: { binary: true }, sent?: (error?: Error) => void): void
  /** Stops reading until `resume`. */
  pause(): void
  resume(): void
  /** Performs the closing handshake. */
  close(): void
  /** Closes without the closing handshake. */
  terminate(): void

  on(event: 'message', listener: (message: Buffer, binary: boolean) => void): unknown
  on(event: 'error', listener: (error: Error) => void): unknown
  off(event: 'message', listener: (message: Buffer, binary: boolean) => void): unknown
  off(event: 'error', listener: (error: Error) => void): unknown
  off(event: 'close', listener: () => void): unknown
  once(event: 'close', listener: () => void): unknown
}
