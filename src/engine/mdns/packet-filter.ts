import { BlockList } from 'node:net'
import { createLru } from '../../lib/lru.ts'
import { createTokenBucket } from '../../lib/token-bucket.ts'

/**
 * Decides which packets are worth parsing, before they are: anyone who reaches the port can send any, and the names in a
 * packet may be chains of pointers that each record follows anew.
 */
export interface PacketFilter {
  /** Sets the networks of this host's interfaces, in CIDR notation. */
  setNetworks(cidrs: string[]): void
  isAccepted(packet: Uint8Array, from: { address: string; port: number }): boolean
}

/** Maximum bytes of a packet (RFC 6762, section 17), and records in it: a node answers with two, others add a few. */
const maxBytes = 9_000
const maxRecords = 64
const headerBytes = 12
/** RFC 6762, section 6: answers leave from this port. */
const port = 5353
/** The first bit of the third byte (RFC 1035, section 4.1.1). */
const responseBit = 0x80
/**
 * Units of one sender and of all. A packet costs one, and one for each 4 KiB that its records may cause to be read; a unit
 * is less than a tenth of a millisecond. A node sends a query in ten seconds and an answer in a second, on each interface.
 */
const ofOne = { perSecond: 50, burst: 100 }
const ofAll = { perSecond: 200, burst: 200 }
const bytesPerUnit = 4_096
/** Maximum senders whose packets are counted. */
const maxSenders = 1_000

/** @param init.name of the service; the name in each packet about it begins with its first label, in full */
export function createPacketFilter(init: { name: string }, components: { now?: () => number } = {}): PacketFilter {
  const { now = () => performance.now() } = components
  const label = labelOf(init.name.split('.')[0] ?? '')
  const bucketOf = createLru({ max: maxSenders }, () => createTokenBucket(ofOne))
  const all = createTokenBucket(ofAll)
  let networks = new BlockList()

  return {
    setNetworks(cidrs) {
      networks = new BlockList()
      for (const cidr of cidrs) {
        const [address = '', prefix] = cidr.split('/')
        networks.addSubnet(address, Number(prefix), 'ipv4')
      }
    },
    isAccepted(bytes, from) {
      const packet = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
      // Most packets of a network are about other services.
      if (packet.length < headerBytes || packet.length > maxBytes || !packet.includes(label)) return false
      const records = [4, 6, 8, 10].reduce((sum, at) => sum + packet.readUInt16BE(at), 0)
      if (records > maxRecords) return false
      const isResponse = (packet.readUInt8(2) & responseBit) !== 0
      if (isResponse && from.port !== port) return false
      // RFC 6762, section 11: a packet from elsewhere was sent to this host by its address.
      if (!networks.check(from.address, 'ipv4')) return false
      const units = 1 + Math.floor((packet.length * records) / bytesPerUnit)
      return bucketOf(from.address).take(now(), units) && all.take(now(), units)
    },
  }
}

/** A label as in a packet: its length, then its bytes (RFC 1035, section 3.1). */
function labelOf(text: string): Buffer {
  return Buffer.concat([Buffer.of(Buffer.byteLength(text)), Buffer.from(text)])
}
