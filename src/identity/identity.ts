import { generateKeyPairFromSeed } from '@libp2p/crypto/keys'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { loadKeyFile } from './key-file.ts'
import { openKeyState } from './key-state.ts'
import { createSequence } from './sequence.ts'

/** Who this node is: the same on both engines. */
export interface Identity {
  readonly peerId: string
  /** The 32 bytes of the Ed25519 private key. */
  readonly seed: Uint8Array
  /** The next sequence number of our own messages; durable against reuse when it returns. */
  nextSequence(): bigint
}

/** An identity that this process holds alone until it closes it. */
export interface OpenIdentity extends Identity {
  close(): void
}

/**
 * @throws InvalidKeyFile
 * @throws IdentityInUse
 */
export async function openIdentity(keyFile: string): Promise<OpenIdentity> {
  const seed = await loadKeyFile(keyFile)
  const state = openKeyState(`${keyFile}.state`)
  const peerId = peerIdFromPrivateKey(await generateKeyPairFromSeed('Ed25519', seed)).toString()
  return { peerId, seed, nextSequence: createSequence(state), close: () => state.close() }
}
