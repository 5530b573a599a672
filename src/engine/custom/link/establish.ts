import { createHandshake, type Session } from '../noise/handshake.ts'
import { ProtocolViolation } from '../wire/frame-stream.ts'
import type { RecordSocket } from './record-socket.ts'

/** The WebSocket subprotocol. It names the version of records and handshake. */
export const subprotocol = 'peergate.p2p.v1'

/** Frames of the WebSocket in which a record may arrive: libraries divide messages at 4 KiB and more. */
export const maxRecordFragments = 64

export interface EstablishInit {
  role: 'initiator' | 'responder'
  /** The 32 bytes of the node's Ed25519 private key. */
  seed: Uint8Array
  expectedPeerId?: string | undefined
}

/**
 * A WebSocket whose two ends have authenticated each other. It is paused, so that nothing is lost before a listener is
 * attached.
 */
export interface Established {
  session: Session
  /** Records that arrived together with the last handshake message. */
  early: Buffer[]
}

/**
 * The Noise handshake on an open WebSocket: three binary messages, and nothing else until it is done.
 * @throws HandshakeFailed, ProtocolViolation, or the signal's reason; the caller then cuts the socket
 */
export async function establish(socket: RecordSocket, init: EstablishInit, signal: AbortSignal): Promise<Established> {
  const { role, seed, expectedPeerId } = init
  const handshake = createHandshake({ role, seed, expectedPeerId, prologue: Buffer.from(subprotocol) })
  const done = Promise.withResolvers<Established>()
  const early: Buffer[] = []

  function speak(): void {
    for (let message = handshake.write(); message !== undefined; message = handshake.write()) socket.send(message, { binary: true })
    if (handshake.session === undefined) return
    socket.pause()
    done.resolve({ session: handshake.session, early })
  }

  function onMessage(message: Buffer, binary: boolean): void {
    try {
      if (!binary) throw new ProtocolViolation('not a handshake message')
      if (handshake.session !== undefined) {
        early.push(message)
        return
      }
      handshake.read(message)
      speak()
    } catch (error) {
      done.reject(error)
    }
  }

  const onClose = () => done.reject(new Error('the other end closed the link during the handshake'))
  const onError = (error: Error) => done.reject(error)
  const onAbort = () => done.reject(signal.reason)
  socket.on('message', onMessage)
  socket.once('close', onClose)
  socket.on('error', onError)
  signal.addEventListener('abort', onAbort)
  try {
    signal.throwIfAborted()
    speak()
    if (handshake.session === undefined) socket.resume()
    return await done.promise
  } finally {
    socket.off('message', onMessage)
    socket.off('close', onClose)
    socket.off('error', onError)
    signal.removeEventListener('abort', onAbort)
  }
}
