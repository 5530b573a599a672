import { isIPv4 } from 'node:net'
import { ipNetwork, plainAddress } from '../lib/ip-network.ts'
import { createLru } from '../lib/lru.ts'

/** Id of the grant of clients without a token, while none is required. */
export const anyoneId = 'anyone'

/**
 * The address of all clients behind a proxy on this host that does not forward addresses. Together they count as one
 * client.
 */
export const unknownAddress = 'unknown'

/** What the key of a client without a token begins with, before its address. */
const addressPrefix = 'address '

/** The key of clients without a token on this host, which are exempt from shares. */
export const localKey = 'local'

/**
 * The identity that shares of limits count for: the token, or without one the client's address. For IPv6 that is its
 * first 64 bits, since the holder of one address has all addresses of that network.
 */
export function clientKey({ grantId, address }: { grantId: string; address: string }): string {
  if (grantId !== anyoneId) return grantId
  return addressKey(address)
}

/** The id of the grant that a client has whose key this is. */
export function actorOf(key: string): string {
  return key === localKey || key.startsWith(addressPrefix) ? anyoneId : key
}

/** Addresses whose keys are remembered: each frame and each request asks several times for that of its client. */
const maxAddresses = 10_000

const keyOfAddress = createLru({ max: maxAddresses }, (address) =>
  isLoopbackAddress(address) ? localKey : addressPrefix + networkOf(address),
)

/** The identity that limits per address count for. */
export function addressKey(address: string): string {
  return keyOfAddress(address)
}

/** Whether the address is a loopback address. */
export function isLoopbackAddress(address: string): boolean {
  const plain = plainAddress(address)
  return isIPv4(plain) ? plain.startsWith('127.') : plain === '::1'
}

/** The address of a client as limits count it: for IPv6 its /64 network. */
export function networkOf(address: string): string {
  return ipNetwork(plainAddress(address))
}
