import { basename, dirname, resolve } from 'node:path'
import { generateKeyPairFromSeed } from '@libp2p/crypto/keys'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { IdentityInUse } from './errors.ts'
import { loadKeyFile } from './key-file.ts'
import { type KeyState, openKeyState } from './key-state.ts'
import { createSequence } from './sequence.ts'

/** Who this node is: the same on both engines. */
export interface Identity {
  readonly peerId: string
  /** The 32 bytes of the Ed25519 private key. */
  readonly seed: Uint8Array
  /** The next sequence number of our own messages; durable against reuse when it returns. @throws StoreUnavailable */
  nextSequence(): bigint
}

/** An identity that this process holds alone until it closes it. */
export interface OpenIdentity extends Identity {
  close(): void
}

/**
 * @param dataDir where the state of the key is kept: by default where the key is, which may be a directory that nobody can write to
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
    // That of a data directory before.
    if (lock !== undefined && lock.ceiling > state.ceiling) state.raise(lock.ceiling)
    const peerId = peerIdFromPrivateKey(await generateKeyPairFromSeed('Ed25519', seed)).toString()
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

/** Where a key lies in a directory of its own, gateways with other data directories find a lock there, if the directory lets them write. */
function lockBeside(path: string): KeyState | undefined {
  try {
    return openKeyState(path)
  } catch (error) {
    if (error instanceof IdentityInUse) throw error
    return undefined
  }
}
