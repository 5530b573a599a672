import { basename, dirname, resolve } from 'node:path'
import { publicKeyFromRaw } from '@libp2p/crypto/keys'
import { peerIdFromPublicKey } from '@libp2p/peer-id'
import { ed25519PrivateKey, ed25519PublicBytes } from '../lib/ed25519.ts'
import { IdentityInUse } from './errors.ts'
import { loadKeyFile } from './key-file.ts'
import { type KeyState, openKeyState } from './key-state.ts'
import { createSequence } from './sequence.ts'

/** The node's identity, the same on both engines. */
export interface Identity {
  readonly peerId: string
  /** The 32 bytes of the Ed25519 private key. */
  readonly seed: Uint8Array
  /**
   * The next sequence number for messages of this node; it is never reused, even after a crash. @throws
   * StoreUnavailable
   */
  nextSequence(): bigint
}

/** An identity that this process holds exclusively until it closes it. */
export interface OpenIdentity extends Identity {
  close(): void
}

/**
 * @param dataDir directory of the key's state. Default: the key's directory, which may be read-only
 * @throws InvalidKeyFile
 * @throws IdentityInUse
 */
export async function openIdentity(keyFile: string, dataDir: string = dirname(keyFile)): Promise<OpenIdentity> {
  const seed = await loadKeyFile(keyFile)
  const beside = resolve(`${keyFile}.state`)
  const path = resolve(dataDir, basename(beside))
  const lock = beside === path ? undefined : lockBeside(beside)
  try {
    const state = openKeyState(path)
    // The ceiling of an earlier data directory.
    if (lock !== undefined && lock.ceiling > state.ceiling) state.raise(lock.ceiling)
    const peerId = peerIdFromPublicKey(publicKeyFromRaw(ed25519PublicBytes(ed25519PrivateKey(seed)))).toString()
    return {
      peerId,
      seed,
      nextSequence: createSequence(state),
      close() {
        state.close()
        lock?.close()
      },
    }
  } catch (error) {
    lock?.close()
    throw error
  }
}

/**
 * Locks the key beside its file, if that directory is writable, so that gateways with other data directories find the
 * lock.
 */
function lockBeside(path: string): KeyState | undefined {
  try {
    return openKeyState(path)
  } catch (error) {
    if (error instanceof IdentityInUse) throw error
    return undefined
  }
}
