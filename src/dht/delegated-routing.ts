import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import { base58btc } from 'multiformats/bases/base58'
import type { CID } from 'multiformats/cid'
import { decode } from 'multiformats/hashes/digest'
import { parseCid } from '../engine/cid.ts'
import { InvalidRoutingKey } from '../errors.ts'
import type { FoundPeerView } from '../model/dht-value.ts'
import { parsePeerId } from '../model/peer.ts'

/** The codec of a CID that is a peer id or an IPNS name. */
const libp2pKeyCodec = 0x72

/** A peer as the Delegated Routing V1 API describes it. */
export interface PeerRecord {
  Schema: 'peer'
  /** Peer id in base58. */
  ID: string
  /** Addresses without the id of the peer itself. */
  Addrs: string[]
  /** Transfer protocols; always empty, since a DHT does not know them. */
  Protocols: string[]
}

/** The two filters of IPIP-484, each a comma-separated list of names. */
export interface RecordFilters {
  addrs?: string | undefined
  protocols?: string | undefined
}

/** A CID of any version, in any base. @throws InvalidRoutingKey */
export function routingCid(text: string): CID {
  try {
    return parseCid(text)
  } catch (cause) {
    throw new InvalidRoutingKey('The path must end in a CID.', { cause })
  }
}

/** A peer id in base58, from base58 or a CID with the codec `libp2p-key`. @throws InvalidRoutingKey */
export function routingPeerId(text: string): string {
  try {
    if (isBase58Multihash(text)) return parsePeerId(text)
    const { code, multihash } = parseCid(text)
    if (code !== libp2pKeyCodec) throw new RangeError(`it has the codec ${code}`)
    return parsePeerId(base58btc.baseEncode(multihash.bytes))
  } catch (cause) {
    throw new InvalidRoutingKey('The path must end in a peer id: base58, or a CID with the codec libp2p-key.', { cause })
  }
}

/** The multihash of a CID or a peer id, whose hash is its place in the key space. @throws InvalidRoutingKey */
export function routingKey(text: string): Uint8Array {
  if (!isBase58Multihash(text)) return routingCid(text).multihash.bytes
  return decode(base58btc.baseDecode(routingPeerId(text))).bytes
}

function isBase58Multihash(text: string): boolean {
  return text.startsWith('1') || text.startsWith('Qm')
}

/** Maximum characters of a name in a filter, as IPIP-484 has it, and of names in one filter. */
const maxNameLength = 63
const maxNames = 32

/**
 * What is left of a peer behind the filters of IPIP-484 (https://specs.ipfs.tech/ipips/ipip-0484/): a record with the
 * addresses that match, or nothing.
 * @throws InvalidRoutingKey
 */
export function createRecordFilter(filters: RecordFilters): (peer: FoundPeerView) => PeerRecord | undefined {
  const names = namesOf(filters.addrs)
  const unwanted = new Set(names.filter((name) => name.startsWith('!')).map((name) => name.slice(1)))
  const wanted = new Set(names.filter((name) => !name.startsWith('!')))
  const protocols = namesOf(filters.protocols)

  function passes(address: Multiaddr): boolean {
    const has = address.getComponents().map(({ name }) => name)
    if (has.some((name) => unwanted.has(name))) return false
    return wanted.size === 0 || has.some((name) => wanted.has(name))
  }

  return ({ peerId, multiaddrs }) => {
    // No protocol is known of any peer.
    if (protocols.length > 0 && !protocols.includes('unknown')) return undefined
    const addresses = multiaddrs.map((address) => multiaddr(address))
    const left = names.length === 0 ? addresses : addresses.filter(passes)
    const isOmitted = names.length > 0 && left.length === 0 && !(addresses.length === 0 && wanted.has('unknown'))
    return isOmitted ? undefined : { Schema: 'peer', ID: peerId, Addrs: left.map((address) => withoutPeer(address, peerId)), Protocols: [] }
  }
}

function withoutPeer(address: Multiaddr, peerId: string): string {
  const last = address.getComponents().at(-1)
  return last?.name === 'p2p' && last.value === peerId ? address.decapsulateCode(last.code).toString() : address.toString()
}

function namesOf(list: string | undefined): string[] {
  if (list === undefined) return []
  const names = list.toLowerCase().split(',', maxNames + 1)
  if (names.length > maxNames || names.some((name) => name.replace(/^!/, '').length > maxNameLength)) {
    throw new InvalidRoutingKey(`A filter has at most ${maxNames} names of at most ${maxNameLength} characters.`)
  }
  return names.map((name) => name.trim()).filter((name) => name !== '')
}
