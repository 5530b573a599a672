import { BlockList, isIP, isIPv4, isIPv6 } from 'node:net'
import type { FastifyRequest } from 'fastify'
import { isLoopbackAddress, plainAddress, unknownAddress } from '../access/client-key.ts'
import { InvalidRequest } from '../errors.ts'
import { StartupError } from '../lib/startup-error.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** Where the request comes from; set before anything else looks at it. */
    client: ClientOrigin
  }
}

export interface ClientOrigin {
  /** In its one spelling (`plainAddress`), or `unknownAddress`. A loopback address is that of a program on this host. */
  address: string
  protocol: 'http' | 'https'
  /** Whether it came over loopback and names nobody else: a probe of this host, as far as can be told. */
  isFromHost: boolean
}

/** A name that stands where an address or a network should. */
export class ProxyInvalid extends StartupError {
  override readonly name = 'ProxyInvalid'
}

/**
 * Finds where a request comes from: from the other end of its socket, and when that is a trusted proxy, from what the proxy says in
 * X-Forwarded-For and X-Forwarded-Proto. Addresses are read from the right, as each proxy adds the one it was asked from; the first that
 * is no trusted proxy is the client, and what stands left of it is the client's own word and not looked at.
 *
 * Programs on this host may have everything without a token, so others must not pass for them. What comes over loopback is a program's
 * own unless something tells of a proxy: a header that proxies add, or that loopback is among the trusted ones.
 * @throws ProxyInvalid
 */
export function createForwarding(trustedProxies: string[]): (request: Pick<FastifyRequest, 'headers' | 'socket'>) => ClientOrigin {
  const isTrusted = trustOf(trustedProxies)

  /** @throws InvalidRequest when a trusted proxy names no address */
  return ({ headers, socket }) => {
    const nearest = plainAddress(socket.remoteAddress ?? '')
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
      // The loopback of another host is that host.
      if (!isLoopbackAddress(next) || isLoopbackAddress(address)) address = next
      if (!isTrusted(next)) break
    }
    return forwardedFor === undefined && isLoopbackAddress(address) ? unknownAddress : address
  }
}

/** What a proxy adds to a request, as Node.js names fields. */
const proxyFields = ['x-forwarded-for', 'x-forwarded-proto', 'x-forwarded-host', 'x-real-ip', 'forwarded', 'via']

/** What was sent in several fields is one list. */
function listOf(field: string | string[] | undefined): string[] {
  return field === undefined ? [] : [field].flat().join(',').split(',')
}

/**
 * An address of X-Forwarded-For, which some proxies write with a port, IPv6 then in brackets; in its one spelling.
 * @throws InvalidRequest for anything else, such as a name
 */
export function parseForwardedAddress(element: string): string {
  const text = element.trim()
  const [, bracketed, withPort] = /^(?:\[([\da-f:.]+(?:%[\w.~-]+)?)\]|(\d{1,3}(?:\.\d{1,3}){3}))(?::\d{1,5})?$/i.exec(text) ?? []
  if (bracketed !== undefined && isIPv6(bracketed)) return plainAddress(bracketed)
  if (withPort !== undefined && isIPv4(withPort)) return withPort
  if (bracketed === undefined && isIPv6(text)) return plainAddress(text)
  throw new InvalidRequest('X-Forwarded-For must name IP addresses; the one of the client that the trusted proxy gives is none.')
}

/** A WebSocket is what it is upgraded from. The last one is that of the nearest proxy. */
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

/** Whether an address, in its one spelling, is that of a trusted proxy. @throws ProxyInvalid */
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
    // A mapped network (::ffff:10.0.0.0/104) is the IPv4 network it stands for.
    const bits = length === undefined ? longest : Number(length) - (isIPv4(address) && isIPv6(name) ? 96 : 0)
    const isNetwork = isIP(address) !== 0 && rest.length === 0 && (length === undefined || /^\d{1,3}$/.test(length))
    if (!isNetwork || bits < 1 || bits > longest) throw new ProxyInvalid(`PEERGATE_TRUSTED_PROXIES: "${proxy}" is no address or network.`)
    list.addSubnet(address, bits, isIPv4(address) ? 'ipv4' : 'ipv6')
  }
  return list
}
