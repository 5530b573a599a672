import type { SelectFn, ValidateFn } from '@libp2p/kad-dht'
import { peerIdFromCID, peerIdFromString } from '@libp2p/peer-id'
import { ipnsSelector } from 'ipns/selector'
import { ipnsValidator } from 'ipns/validator'
import { CID } from 'multiformats/cid'
import { DhtNamespaceUnsupported, InvalidRecord } from '../../../errors.ts'
import { parseDhtKey, replaces, validateRecord } from '../../../model/dht-record.ts'
import type { DhtMode } from '../../settings.ts'

/**
 * The namespaces of DHT values, by the first part of their keys: `/peergate` is this project's; `/ipns`
 * (https://specs.ipfs.tech/ipns/ipns-record/) and `/pk`, a public key under its peer id, are those of all libp2p
 * networks. Servers of the public DHT know only the latter two.
 */
export interface Namespaces {
  /** Each with its slash. */
  names: string[]
  validators: Record<string, ValidateFn>
  selectors: Record<string, SelectFn>
  /** A key in its wire format. @throws DhtNamespaceUnsupported, InvalidRecord */
  keyBytes(key: string): Uint8Array
}

export function namespacesOf(mode: DhtMode): Namespaces {
  const ours = mode !== 'public'
  return {
    names: [...(ours ? ['/peergate'] : []), '/ipns', '/pk'],
    // kad-dht itself validates /pk.
    validators: { ipns: ipnsValidator, ...(ours ? { peergate: validatePeergate } : {}) },
    selectors: { ipns: ipnsSelector, ...(ours ? { peergate: selectPeergate } : {}) },
    keyBytes(text) {
      const key = parseDhtKey(text)
      if (key.namespace !== 'other') {
        if (!ours) throw new DhtNamespaceUnsupported('The servers of the public DHT store only /ipns and /pk.')
        return Buffer.from(text)
      }
      if (key.name !== 'ipns' && key.name !== 'pk') {
        throw new DhtNamespaceUnsupported(`The DHT stores ${ours ? '/peergate/imm, /peergate/own, ' : ''}/ipns and /pk, not /${key.name}.`)
      }
      return Buffer.concat([Buffer.from(`/${key.name}/`), multihashOf(text.slice(key.name.length + 2))])
    },
  }
}

const validatePeergate: ValidateFn = (key, value) => validateRecord(parseDhtKey(Buffer.from(key).toString()), value)

const selectPeergate: SelectFn = async (key, records) => {
  const parsed = parseDhtKey(Buffer.from(key).toString())
  let best = 0
  for (const [index, record] of records.entries()) {
    const there = records[best]
    if (there !== undefined && index !== best && (await replaces(parsed, record, there))) best = index
  }
  return best
}

/** The multihash of a peer id in either notation: base58, or a CID of a libp2p key. */
function multihashOf(text: string): Uint8Array {
  try {
    return peerIdFromString(text).toMultihash().bytes
  } catch {
    try {
      return peerIdFromCID(CID.parse(text)).toMultihash().bytes
    } catch (cause) {
      throw new InvalidRecord('A key of /ipns or /pk ends in a peer id, or in the CID of a libp2p key.', { cause })
    }
  }
}
