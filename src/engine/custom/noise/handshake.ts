import { generateKeyPair } from '../../../lib/x25519.ts'
import type { CipherState } from './cipher-state.ts'
import { encodeIdentity, verifyIdentity } from './identity-payload.ts'
import { createXxHandshake, type Role } from './xx-handshake.ts'

/**
 * The handshake that authenticates two nodes and agrees on their session keys. Send what `write` returns and pass what
 * arrives to `read`, until `session` is set.
 */
export interface Handshake {
  /**
   * The next message to send; undefined when it is the other end's turn, or the handshake is done or has failed.
   * @throws HandshakeFailed when the other end's key yields no shared secret
   */
  write(): Buffer | undefined
  /** Takes a message of the other end. @throws HandshakeFailed, after which the handshake can't continue */
  read(message: Uint8Array): void
  /** Set when both directions have their keys. */
  readonly session: Session | undefined
}

export interface Session {
  /** The authenticated peer id of the other end. */
  readonly remotePeerId: string
  /** Hash of the transcript; the same on both ends, and unique to this session. */
  readonly handshakeHash: Uint8Array
  readonly encrypt: CipherState
  readonly decrypt: CipherState
}

export class HandshakeFailed extends Error {
  override readonly name = 'HandshakeFailed'
}

export interface HandshakeInit {
  role: Role
  /** Data that both ends must have in common (Noise §6). */
  prologue: Uint8Array
  /** The 32 bytes of the node's Ed25519 private key. */
  seed: Uint8Array
  /** The only accepted peer id. */
  expectedPeerId?: string | undefined
}

/** One static key per process. The identity signs it. */
const staticKey = generateKeyPair()

export function createHandshake({ role, prologue, seed, expectedPeerId }: HandshakeInit): Handshake {
  const noise = createXxHandshake({ role, prologue, staticKey, ephemeralKey: generateKeyPair() })
  let remotePeerId: string | undefined
  let session: Session | undefined
  let failed = false

  /** Messages that carry a static key have an identity payload. The first message has no payload. */
  function payload(): Buffer {
    return role === 'initiator' && noise.remoteStatic === undefined ? Buffer.alloc(0) : encodeIdentity(seed, staticKey.publicKey)
  }

  function check(received: Buffer): void {
    if (noise.remoteStatic === undefined) {
      if (received.length > 0) throw new Error('the first message of the handshake has a payload')
      return
    }
    remotePeerId = verifyIdentity(received, noise.remoteStatic)
    if (expectedPeerId !== undefined && remotePeerId !== expectedPeerId) {
      throw new Error(`${remotePeerId} answered instead of ${expectedPeerId}`)
    }
  }

  function finish(): void {
    if (noise.writer !== undefined || remotePeerId === undefined) return
    const { initiator, responder } = noise.split()
    const [encrypt, decrypt] = role === 'initiator' ? [initiator, responder] : [responder, initiator]
    session = { remotePeerId, handshakeHash: noise.hash, encrypt, decrypt }
  }

  function attempt<T>(step: () => T): T {
    try {
      return step()
    } catch (cause) {
      failed = true
      throw new HandshakeFailed(cause instanceof Error ? cause.message : String(cause), { cause })
    }
  }

  return {
    get session() {
      return session
    },
    write() {
      if (failed || noise.writer !== role) return undefined
      return attempt(() => {
        const message = noise.writeMessage(payload())
        finish()
        return message
      })
    },
    read(message) {
      if (failed) throw new HandshakeFailed('The handshake has failed before.')
      attempt(() => {
        check(noise.readMessage(message))
        finish()
      })
    },
  }
}
