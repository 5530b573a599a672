/** What a link runs on: whole binary messages, in order, both ways. A WebSocket is one; a circuit through a relay is another. */
export interface RecordSocket {
  readonly readyState: number
  readonly OPEN: number
  /** Bytes sent and not yet taken by the network. */
  readonly bufferedAmount: number
  readonly isPaused: boolean
  /** @param sent is called when the network has taken the message, or the socket is gone */
  send(message: Uint8Array, options: { binary: true }, sent?: (error?: Error) => void): void
  /** Ends reading until `resume`. */
  pause(): void
  resume(): void
  /** Says goodbye. */
  close(): void
  /** Cuts it. */
  terminate(): void

  on(event: 'message', listener: (message: Buffer, binary: boolean) => void): unknown
  on(event: 'error', listener: (error: Error) => void): unknown
  off(event: 'message', listener: (message: Buffer, binary: boolean) => void): unknown
  off(event: 'error', listener: (error: Error) => void): unknown
  off(event: 'close', listener: () => void): unknown
  once(event: 'close', listener: () => void): unknown
}
