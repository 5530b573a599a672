import { isIP } from 'node:net'
import { ipv6Groups } from '../../lib/ip-network.ts'

/**
 * The two messages of STUN (RFC 8489) that tell a node at which address others see its packets: the Binding request and
 * its answer.
 */

const bindingRequest = 0x0001
const bindingSuccess = 0x0101
const magicCookie = 0x2112a442
const headerBytes = 20
const xorMappedAddress = 0x0020
/** Maximum bytes of a request: nobody needs to add more than a few attributes. */
const maxRequestBytes = 548

/**
 * The answer to a packet; undefined when the packet is no Binding request. It has at most 44 bytes, and a request has at
 * least 20: less than three times as many.
 */
export function answerBinding(packet: Uint8Array, from: { ip: string; port: number }): Buffer | undefined {
  const request = Buffer.from(packet.buffer, packet.byteOffset, packet.byteLength)
  if (request.length < headerBytes || request.length > maxRequestBytes) return undefined
  const isRequest = request.readUInt16BE(0) === bindingRequest && request.readUInt32BE(4) === magicCookie
  if (!isRequest || request.readUInt16BE(2) !== request.length - headerBytes || request.length % 4 !== 0) return undefined
  const address = xorAddress(from, request.subarray(4, headerBytes))
  const answer = Buffer.alloc(headerBytes + 4 + address.length)
  answer.writeUInt16BE(bindingSuccess, 0)
  answer.writeUInt16BE(4 + address.length, 2)
  request.copy(answer, 4, 4, headerBytes)
  answer.writeUInt16BE(xorMappedAddress, headerBytes)
  answer.writeUInt16BE(address.length, headerBytes + 2)
  address.copy(answer, headerBytes + 4)
  return answer
}

/** XOR-MAPPED-ADDRESS (section 14.2). `mask` is the magic cookie and the id of the transaction. */
function xorAddress({ ip, port }: { ip: string; port: number }, mask: Buffer): Buffer {
  const bytes = bytesOf(ip)
  const value = Buffer.alloc(4 + bytes.length)
  value.writeUInt8(bytes.length === 4 ? 1 : 2, 1)
  value.writeUInt16BE(port ^ (magicCookie >>> 16), 2)
  for (const [index, byte] of bytes.entries()) value.writeUInt8(byte ^ (mask[index] ?? 0), 4 + index)
  return value
}

function bytesOf(ip: string): Buffer {
  if (isIP(ip) === 4) return Buffer.from(ip.split('.').map(Number))
  const bytes = Buffer.alloc(16)
  for (const [index, group] of ipv6Groups(ip).entries()) bytes.writeUInt16BE(group, index * 2)
  return bytes
}
