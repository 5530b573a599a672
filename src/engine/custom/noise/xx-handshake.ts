import { type KeyPair, publicKeyBytes, sharedSecret } from '../../../lib/x25519.ts'
import { type AeadOf, type CipherState, maxMessageBytes, tagBytes } from './cipher-state.ts'
import { createSymmetricState } from './symmetric-state.ts'

/**
 * The XX handshake pattern (Noise §5.3 and §7.5): each end learns the other's static key, and proves that it holds its
 * own.
 *
 *     → e
 *     ← e, ee, s, es
 *     → s, se
 */
export interface XxHandshake {
  /** The role that writes the next message; undefined when the three messages are done. */
  readonly writer: Role | undefined
  /** @throws Error when it is not our turn, the message would be too long, or the other end's key is of small order */
  writeMessage(payload: Uint8Array): Buffer
  /** Returns the payload. @throws Error on anything but the other end's next message */
  readMessage(message: Uint8Array): Buffer
  /** The other end's static public key, once it has arrived. */
  readonly remoteStatic: Buffer | undefined
  readonly hash: Buffer
  /** The keys of the two directions, once the messages are done. */
  split(): { initiator: CipherState; responder: CipherState }
}

export type Role = 'initiator' | 'responder'

export const protocolName = 'Noise_XX_25519_ChaChaPoly_SHA256'

type Token = 'e' | 's' | 'ee' | 'es' | 'se'

const messages: ReadonlyArray<{ writer: Role; tokens: Token[] }> = [
  { writer: 'initiator', tokens: ['e'] },
  { writer: 'responder', tokens: ['e', 'ee', 's', 'es'] },
  { writer: 'initiator', tokens: ['s', 'se'] },
]

export interface XxInit {
  role: Role
  prologue: Uint8Array
  staticKey: KeyPair
  ephemeralKey: KeyPair
  /** Other than the default in tests only. */
  aeadOf?: AeadOf
}

export function createXxHandshake({ role, prologue, staticKey, ephemeralKey, aeadOf }: XxInit): XxHandshake {
  const state = createSymmetricState(protocolName, aeadOf)
  state.mixHash(prologue)
  let turn = 0
  let remoteEphemeral: Buffer | undefined
  let remoteStatic: Buffer | undefined

  function begin(writer: Role): Token[] {
    const message = messages[turn]
    if (message === undefined || message.writer !== writer) throw new Error('a handshake message out of turn')
    turn++
    return message.tokens
  }

  /** `es` is the initiator's ephemeral key with the responder's static key, at both ends. */
  function mixSecret(token: 'ee' | 'es' | 'se'): void {
    const [initiators, responders] = token
    const [own, other] = role === 'initiator' ? [initiators, responders] : [responders, initiators]
    const remote = other === 'e' ? remoteEphemeral : remoteStatic
    if (remote === undefined) throw new Error('a key of the other end is missing')
    state.mixKey(sharedSecret(own === 'e' ? ephemeralKey : staticKey, remote))
  }

  return {
    get writer() {
      return messages[turn]?.writer
    },
    get remoteStatic() {
      return remoteStatic
    },
    get hash() {
      return state.hash
    },
    writeMessage(payload) {
      const parts: Buffer[] = []
      for (const token of begin(role)) {
        if (token === 'e') {
          parts.push(ephemeralKey.publicKey)
          state.mixHash(ephemeralKey.publicKey)
        } else if (token === 's') {
          parts.push(state.encryptAndHash(staticKey.publicKey))
        } else {
          mixSecret(token)
        }
      }
      const message = Buffer.concat([...parts, state.encryptAndHash(payload)])
      if (message.length > maxMessageBytes) throw new Error('the message is longer than 65,535 bytes')
      return message
    },
    readMessage(message) {
      if (message.length > maxMessageBytes) throw new Error('the message is longer than 65,535 bytes')
      const reader = { rest: Buffer.from(message.buffer, message.byteOffset, message.byteLength) }
      for (const token of begin(role === 'initiator' ? 'responder' : 'initiator')) {
        if (token === 'e') {
          // Copied, since the caller may reuse the memory of the message.
          remoteEphemeral = Buffer.from(take(reader, publicKeyBytes))
          state.mixHash(remoteEphemeral)
        } else if (token === 's') {
          remoteStatic = state.decryptAndHash(take(reader, publicKeyBytes + tagBytes))
        } else {
          mixSecret(token)
        }
      }
      return state.decryptAndHash(reader.rest)
    },
    split: () => state.split(),
  }
}

function take(reader: { rest: Buffer }, length: number): Buffer {
  if (reader.rest.length < length) throw new Error('a handshake message is truncated')
  const taken = reader.rest.subarray(0, length)
  reader.rest = reader.rest.subarray(length)
  return taken
}
