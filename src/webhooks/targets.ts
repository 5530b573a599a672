import { BlockList, isIP } from 'node:net'
import { isPublicAddress } from '../engine/dial/policy.ts'
import { DialForbidden, InvalidWebhook } from '../errors.ts'
import { orAborted } from '../lib/deadline.ts'
import { createLookUp, type LookUp } from '../lib/look-up.ts'

/**
 * Where webhooks may be sent: to public addresses, and to hosts that the operator has allowed. A name is resolved once
 * for each request, and the request goes to the addresses that were judged.
 */
export interface Targets {
  /**
   * Checks what can be said without resolving a name.
   * @throws InvalidWebhook when it is no URL that can be sent to
   * @throws DialForbidden when its host is an address that is not allowed
   */
  check(url: string): URL
  /** The addresses of the host that are allowed, for a client (`clientKey`). @throws TargetRefused */
  addresses(url: URL, client: string, signal: AbortSignal): Promise<TargetAddress[]>
}

export interface TargetAddress {
  address: string
  family: number
}

/** The host has no address that may be dialled, or none at all. */
export class TargetRefused extends Error {
  override readonly name = 'TargetRefused'
}

const notAllowed = 'is not a public address, and PEERGATE_WEBHOOK_ALLOW does not name it'

/** @param init.allowed host names, IP addresses and networks */
export function createTargets(init: { allowed: string[] }, { lookUp = createLookUp() }: { lookUp?: LookUp | undefined } = {}): Targets {
  const names = new Set(init.allowed.filter((host) => isIP(host.split('/')[0] ?? '') === 0).map((name) => name.toLowerCase()))
  const networks = new BlockList()
  for (const host of init.allowed) {
    const [address = '', bits] = host.split('/')
    const family = isIP(address)
    if (family !== 0) networks.addSubnet(address, Number(bits ?? (family === 4 ? 32 : 128)), family === 4 ? 'ipv4' : 'ipv6')
  }

  function isAllowed(address: string): boolean {
    return isPublicAddress(address) || networks.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4')
  }

  return {
    check(text) {
      const url = parse(text)
      const host = hostOf(url)
      if (isIP(host) !== 0 && !isAllowed(host)) throw new DialForbidden(`${host} ${notAllowed}.`)
      return url
    },
    async addresses(url, client, signal) {
      const host = hostOf(url)
      const found = isIP(host) === 0 ? await orAborted(lookUp(host, 0, signal, client).catch(unresolved), signal) : [host]
      const allowed = names.has(host) ? found : found.filter(isAllowed)
      if (found.length === 0) throw new TargetRefused('the host has no address')
      // Without the address: clients read this text, and must not learn what an internal name resolves to.
      if (allowed.length === 0) throw new TargetRefused('the host has no public address, and PEERGATE_WEBHOOK_ALLOW does not name it')
      return allowed.map((address) => ({ address, family: isIP(address) }))
    },
  }
}

/** @throws InvalidWebhook */
function parse(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined || !/^https?:$/.test(url.protocol)) throw invalidUrl('must be a URL that begins with https:// or http://')
  if (url.username !== '' || url.password !== '') throw invalidUrl('must not have a user or a password; use a header field')
  return url
}

function invalidUrl(message: string): InvalidWebhook {
  return new InvalidWebhook(`The URL ${message}.`, { errors: [{ path: '/url', message }] })
}

/** The host without the brackets of an IPv6 address and without the dot at the end of a name. */
function hostOf({ hostname }: URL): string {
  return hostname.replace(/^\[(.*)\]$/, '$1').replace(/\.$/, '')
}

function unresolved(error: unknown): never {
  const code = error instanceof Error && 'code' in error ? ` (${String(error.code)})` : ''
  throw new TargetRefused(`the name of the host could not be resolved${code}`)
}
