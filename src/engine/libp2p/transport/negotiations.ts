import type { MessageStream } from '@libp2p/interface'
import { FrameFlood } from '../../frame-flood.ts'

/**
 * Maximum answers to a peer that negotiates a protocol. An honest peer proposes a few: those that it speaks, newest
 * first. On a connection, the messages of the encryption handshake count too.
 */
const maxAnswers = 64

/** Maximum pieces in which the other end's part of a connection's negotiation arrives. An honest one has a few. */
const maxPieces = 1_024

/** A connection before its handshakes, or a stream. */
type Negotiated = Pick<MessageStream, 'send' | 'status' | 'abort'>
/** What libp2p's own connections have beside it. */
type Connecting = Negotiated & { onData?(data: unknown): void }

/**
 * Bounds multistream-select (https://github.com/multiformats/multistream-select). libp2p answers any number of proposals
 * within one turn of the event loop, for as long as there are more: a proposal has three bytes, and costs up to 100 µs.
 * It needs no handshake, and so no peer id.
 */
export function boundNegotiation(
  stream: Negotiated,
  { isOver, onAnswer = () => undefined, onFlood }: { isOver(): boolean; onAnswer?: (answers: number) => void; onFlood(): void },
): void {
  const { send } = stream
  let answers = 0
  stream.send = (data) => {
    if (isOver()) return send.call(stream, data)
    onAnswer(++answers)
    if (answers <= maxAnswers) return send.call(stream, data)
    const error = new FrameFlood('too many proposals of protocols')
    if (stream.status === 'open') {
      onFlood()
      stream.abort(error)
    }
    throw error
  }
}

/** The negotiations of connections, from the first byte to the muxer. */
export interface Negotiations {
  begin(connection: Connecting): void
  end(connection: object): void
}

export function createNegotiations({ onFlood }: { onFlood(): void }): Negotiations {
  const inProgress = new WeakSet()

  /** A handshake of a byte in each piece is gathered in a list of pieces, and taking one off a long list takes long. */
  function boundPieces(connection: Connecting): void {
    const { onData } = connection
    if (onData === undefined) return
    let pieces = 0
    connection.onData = (data) => {
      if (!inProgress.has(connection) || ++pieces <= maxPieces) onData.call(connection, data)
      else if (connection.status === 'open') {
        onFlood()
        connection.abort(new FrameFlood('a handshake in too many pieces'))
      }
    }
  }

  return {
    begin(connection) {
      inProgress.add(connection)
      boundPieces(connection)
      boundNegotiation(connection, { isOver: () => !inProgress.has(connection), onFlood })
    },
    end: (connection) => void inProgress.delete(connection),
  }
}
