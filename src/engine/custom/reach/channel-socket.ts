import type { MessageChannel } from '../../webrtc/channel-connection.ts'
import type { RecordSocket } from '../link/record-socket.ts'
import { maxSocketMessageBytes } from '../link/secure-channel.ts'
import { tagBytes } from '../noise/cipher-state.ts'
import { ProtocolViolation } from '../wire/frame-stream.ts'
import { createCircuit } from './circuit.ts'
import { type CircuitEnd, circuitWindow } from './circuit-ends.ts'

/**
 * Carries a link over a data channel, which holds no sender back: so a channel has the credit of a circuit. Each message
 * of the channel is a type and a body. A record is sent in pieces, since other messages of a channel wait for a long one.
 */

const types = {
  /** The last piece of a record, or all of it. */
  last: 0,
  /** A piece that another follows. It has `pieceBytes`. */
  piece: 1,
  /** A number of further bytes that may be sent (4 bytes). */
  credit: 2,
  /** Nothing follows. */
  end: 3,
} as const

/** Bytes of a piece: with its type, what every implementation of data channels carries (RFC 8831, section 6.6). */
const pieceBytes = 16_383

/** The socket of a channel that is open. A peer that breaks the rules has its channel closed. */
export function createChannelSocket(channel: MessageChannel): RecordSocket {
  /** Bytes of records that the other end has not given credit for. */
  let outstanding = 0
  let pieces: Buffer[] = []
  /** Messages that have come. */
  let messages = 0

  /** Returns whether the channel has taken it. */
  function send(type: number, body: Uint8Array): boolean {
    try {
      channel.send(Buffer.concat([Buffer.of(type), body]))
      return true
    } catch {
      return false
    }
  }

  function sendRecord(record: Uint8Array): boolean {
    outstanding += record.length
    for (let at = 0; at < record.length; at += pieceBytes) {
      const isLast = at + pieceBytes >= record.length
      if (!send(isLast ? types.last : types.piece, record.subarray(at, at + pieceBytes))) return false
    }
    return true
  }

  const leg: CircuitEnd = {
    opened: () => undefined,
    data: sendRecord,
    credit(bytes) {
      const body = Buffer.allocUnsafe(4)
      body.writeUInt32BE(bytes)
      send(types.credit, body)
    },
    close() {
      send(types.end, Buffer.alloc(0))
      channel.close()
    },
  }
  const socket = createCircuit(leg)

  function takePiece(piece: Buffer, isLast: boolean): void {
    if (isLast ? piece.length > pieceBytes : piece.length !== pieceBytes) throw new ProtocolViolation('a piece of a wrong length')
    pieces.push(piece)
    const bytes = pieces.reduce((sum, { length }) => sum + length, 0)
    if (bytes > maxSocketMessageBytes) throw new ProtocolViolation('a record is too long')
    if (!isLast) return
    // Credit counts bytes, so records of few bytes would be many.
    if (bytes < tagBytes) throw new ProtocolViolation('a record is too short')
    const record = Buffer.concat(pieces)
    pieces = []
    socket.listener.onData(record)
  }

  function takeCredit(body: Buffer): void {
    const bytes = body.length === 4 ? body.readUInt32BE() : 0
    if (bytes < circuitWindow / 2 || bytes > outstanding) throw new ProtocolViolation('credit that is not due')
    outstanding -= bytes
    socket.listener.onCredit(bytes)
  }

  function take(message: string | Buffer | ArrayBuffer): void {
    if (!Buffer.isBuffer(message)) throw new ProtocolViolation('a text message')
    const [type] = message
    const body = message.subarray(1)
    if (type === types.last || type === types.piece) takePiece(body, type === types.last)
    else if (type === types.credit) takeCredit(body)
    else if (type === types.end && body.length === 0) done()
    else throw new ProtocolViolation('a message of an unknown type')
  }

  function done(): void {
    socket.listener.onClose('the peer closed the channel')
    channel.close()
  }

  /** Messages that came before the end may be told after it. */
  function end(counted: number): void {
    setImmediate(() => {
      if (counted === messages) socket.listener.onClose('the channel has ended')
      else end(messages)
    })
  }

  channel.onMessage((message) => {
    messages++
    if (socket.readyState !== socket.OPEN) return
    try {
      take(message)
    } catch {
      socket.terminate()
    }
  })
  channel.onClosed(() => end(messages))
  return socket
}
