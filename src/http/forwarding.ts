import { BlockList, isIP, isIPv4, isIPv6 } from 'node:net'
import type { FastifyRequest } from 'fastify'
import { isLoopbackAddress, unknownAddress } from '../access/client-key.ts'
import { InvalidRequest } from '../errors.ts'
import { plainAddress } from '../lib/ip-network.ts'
import { StartupError } from '../lib/startup-error.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** The origin of the request, set before any other hook. */
    client: ClientOrigin
  }
}

export interface ClientOrigin {
  /** In canonical form (`plainAddress`), or `unknownAddress`. A loopback address means a program on this host. */
  address: string
  protocol: 'http' | 'https'
  /** Whether the request came over loopback without proxy headers: presumably a probe of this host. */
  isFromHost: boolean
}

/** A trusted proxy is configured by a name instead of an address or network. */
export class ProxyInvalid extends StartupError {
  override readonly name = 'ProxyInvalid'
}

/**
 * Determines the origin of a request: the remote address of its socket, or, if that is a trusted proxy, X-Forwarded-For
 * and X-Forwarded-Proto. Addresses are read from the right, since each proxy appends the one it was called from. The
 * first address that is not a trusted proxy is the client; addresses left of it are the client's own claim and ignored.
 *
 * Programs on this host need no token, so other clients must not pass for them. A request over loopback counts as local
 * unless it has a header that proxies add, or loopback is a trusted proxy.
 * @throws ProxyInvalid
 */
export function createForwarding(trustedProxies: string[]): (request: Pick<FastifyRequest, 'headers' | 'socket'>) => ClientOrigin {
  const isTrusted = trustOf(trustedProxies)

  /** @throws InvalidRequest when a trusted proxy does not send an address, or the connection was reset before it had one */
  return ({ headers, socket }) => {
    // A client without a token is known by its address: served without it, a request and its repetition are of two clients.
    if (socket.remoteAddress === undefined) throw new InvalidRequest('The connection was lost before its address was known.')
    const nearest = plainAddress(socket.remoteAddress)
    const isHidden = proxyFields.some((field) => headers[field] !== undefined)
    const isFromHost = isLoopbackAddress(nearest) && !isHidden
    if (!isTrusted(nearest)) {
      return { address: isLoopbackAddress(nearest) && isHidden ? unknownAddress : nearest, protocol: 'http', isFromHost }
    }
    return { address: clientOf(headers['x-forwarded-for'], nearest), protocol: protocolOf(headers['x-forwarded-proto']), isFromHost }
  }

  function clientOf(forwardedFor: string | string[] | undefined, nearest: string): string {
    let address = nearest
    for (const element of listOf(forwardedFor).reverse()) {
      const next = parseForwardedAddress(element)
      // Loopback behind a proxy on another host is that host.
      if (!isLoopbackAddress(next) || isLoopbackAddress(address)) address = next
      if (!isTrusted(next)) break
    }
    return forwardedFor === undefined && isLoopbackAddress(address) ? unknownAddress : address
  }
}

/** Header fields that proxies add, as Node.js names them. */
const proxyFields = ['x-forwarded-for', 'x-forwarded-proto', 'x-forwarded-host', 'x-real-ip', 'forwarded', 'via']

/** The elements of a list field, which may be sent as several fields. */
function listOf(field: string | string[] | undefined): string[] {
  return field === undefined ? [] : [field].flat().join(',').split(',')
}

/**
 * Parses an address of X-Forwarded-For to its canonical form. Some proxies add a port, with IPv6 in brackets.
 * @throws InvalidRequest when the element is not an address, such as a name
 */
export function parseForwardedAddress(element: string): string {
  const text = element.trim()
  const [, bracketed, withPort] = /^(?:\[([\da-f:.]+(?:%[\w.~-]+)?)\]|(\d{1,3}(?:\.\d{1,3}){3}))(?::\d{1,5})?$/i.exec(text) ?? []
  if (bracketed !== undefined && isIPv6(bracketed)) return plainAddress(bracketed)
  if (withPort !== undefined && isIPv4(withPort)) return withPort
  if (bracketed === undefined && isIPv6(text)) return plainAddress(text)
  throw new InvalidRequest('X-Forwarded-For must contain IP addresses; the client address from the trusted proxy is not one.')
}

/**
 * The protocol from the nearest proxy, the last element. A WebSocket scheme counts as the HTTP scheme it was upgraded
 * from.
 */
function protocolOf(field: string | string[] | undefined): ClientOrigin['protocol'] {
  if (field === undefined) return 'http'
  switch (listOf(field).at(-1)?.trim().toLowerCase()) {
    case 'http':
    case 'ws':
      return 'http'
    case 'https':
    case 'wss':
      return 'https'
    default:
      throw new InvalidRequest('X-Forwarded-Proto must be http or https.')
  }
}

/** Whether an address in canonical form is a trusted proxy. @throws ProxyInvalid */
export function trustOf(trustedProxies: string[]): (address: string) => boolean {
  const proxies = proxyList(trustedProxies)
  return (address) => isIP(address) !== 0 && proxies.check(address, isIPv4(address) ? 'ipv4' : 'ipv6')
}

function proxyList(trustedProxies: string[]): BlockList {
  const list = new BlockList()
  for (const proxy of trustedProxies) {
    const [name = '', length, ...rest] = proxy.split('/')
    const address = plainAddress(name)
    const longest = isIPv4(address) ? 32 : 128
    // A mapped network (::ffff:10.0.0.0/104) means the IPv4 network.
    const bits = length === undefined ? longest : Number(length) - (isIPv4(address) && isIPv6(name) ? 96 : 0)
    const isNetwork = isIP(address) !== 0 && rest.length === 0 && (length === undefined || /^\d{1,3}$/.test(length))
    if (!isNetwork || bits < 1 || bits > longest)
      throw new ProxyInvalid(`PEERGATE_TRUSTED_PROXIES: "${proxy}" is neither an address nor a network.`)
    list.addSubnet(address, bits, isIPv4(address) ? 'ipv4' : 'ipv6')
  }
  return list
}
