import type { Identity } from '../identity/identity.ts'
import { ownKey, sealOwnRecord } from '../model/dht-record.ts'

/**
 * Signs a value of this node. Its sequence number is higher than that of every record and message this key has signed.
 */
export async function signOwnRecord(identity: Identity, name: string, value: Uint8Array): Promise<{ key: string; record: Uint8Array }> {
  const content = { name, value, sequence: identity.nextSequence(), issuedAt: Date.now() }
  return { key: ownKey(identity.peerId, name), record: await sealOwnRecord(content, identity.seed) }
}
