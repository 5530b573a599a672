import type { CipherState } from './cipher-state.ts'
import { encodeIdentity, verifyIdentity } from './identity-payload.ts'
import { generateKeyPair } from './x25519.ts'
import { createXxHandshake, type Role } from './xx-handshake.ts'

/**
 * How two nodes come to know each other, and to have keys that nobody else has. `write` what there is to write, `read` what comes, until
 * there is a session.
 */
export interface Handshake {
  /**
   * The next message to send, when it is our turn; undefined when we wait, are done, or have failed.
   * @throws HandshakeFailed when there is no secret to be had with the key that the other end sent
   */
  write(): Buffer | undefined
  /** Takes a message of the other end. @throws HandshakeFailed, after which the handshake is of no use */
  read(message: Uint8Array): void
  /** Set when both directions have their keys. */
  readonly session: Session | undefined
}

export interface Session {
  /** Proven by the handshake. */
  readonly remotePeerId: string
  /** Of the transcript; the same on both ends of this session and of no other. */
  readonly handshakeHash: Uint8Array
  readonly encrypt: CipherState
  readonly decrypt: CipherState
}

export class HandshakeFailed extends Error {
  override readonly name = 'HandshakeFailed'
}

export interface HandshakeInit {
  role: Role
  /** What both ends must have in common. */
  prologue: Uint8Array
  /** The 32 bytes of the node's Ed25519 private key. */
  seed: Uint8Array
  /** Nobody else is accepted. */
  expectedPeerId?: string | undefined
}

/** One static key for each process: its meaning comes from the identity that signs it. */
const staticKey = generateKeyPair()

export function createHandshake({ role, prologue, seed, expectedPeerId }: HandshakeInit): Handshake {
  const noise = createXxHandshake({ role, prologue, staticKey, ephemeralKey: generateKeyPair() })
  let remotePeerId: string | undefined
  let session: Session | undefined
  let failed = false

  /** The payloads of the messages that carry a static key say whose it is; the first has none. */
  function payload(): Buffer {
    return role === 'initiator' && noise.remoteStatic === undefined ? Buffer.alloc(0) : encodeIdentity(seed, staticKey.publicKey)
  }

  function check(received: Buffer): void {
    if (noise.remoteStatic === undefined) {
      if (received.length > 0) throw new Error('a first message that says more than a key')
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
