import { randomBytes } from 'node:crypto'
import multicastDns from 'multicast-dns'
import type { Logger } from 'pino'
import { parseMultiaddr, peerIdOf } from '../../model/peer.ts'

/**
 * Finds, and is found by, nodes of this protocol on the local network: multicast DNS (RFC 6762), with the records of
 * https://github.com/libp2p/specs/blob/master/discovery/mdns.md under a service name of our own.
 */
export interface LocalDiscovery {
  start(): void
  stop(): Promise<void>
}

export const serviceName = '_peergate._udp.local'

/** Milliseconds between two questions, and the time for which an answer may be kept, in seconds. */
const askMs = 10_000
const ttl = 120
/** Of one answer. */
const maxAddresses = 16
const maxAddressLength = 255

export function createLocalDiscovery(
  init: { serviceName?: string | undefined; peerId: string; multiaddrs(): string[] },
  components: { onFound(peerId: string, multiaddrs: string[], from: string): void; log: Logger },
): LocalDiscovery {
  const { peerId, multiaddrs } = init
  const { onFound, log } = components
  const name = init.serviceName ?? serviceName
  /** Of no meaning: the specification asks for one that says nothing of the peer. */
  const instance = `${randomBytes(16).toString('hex')}.${name}`
  let dns: multicastDns.MulticastDNS | undefined
  let asking: NodeJS.Timeout | undefined

  function ask(): void {
    dns?.query({ questions: [{ name, type: 'PTR' }] })
  }

  function onQuery({ questions }: multicastDns.QueryPacket): void {
    if (questions?.some((question) => question.name === name && question.type === 'PTR') !== true) return
    const data = multiaddrs()
      .slice(0, maxAddresses)
      .map((address) => Buffer.from(`dnsaddr=${address}`))
    if (data.length === 0) return
    dns?.respond({ answers: [{ name, type: 'PTR', ttl, data: instance }], additionals: [{ name: instance, type: 'TXT', ttl, data }] })
  }

  function onResponse({ answers, additionals }: multicastDns.ResponsePacket, { address }: { address: string }): void {
    const records = [...(answers ?? []), ...(additionals ?? [])]
    if (!records.some((record) => record.type === 'PTR' && record.name === name)) return
    const found = new Map<string, string[]>()
    for (const text of records.flatMap((record) => (record.type === 'TXT' ? textsOf(record.data) : []))) {
      const other = peerOf(text)
      if (other === undefined || other === peerId) continue
      found.set(other, [...(found.get(other) ?? []), text])
    }
    for (const [other, addresses] of found) onFound(other, addresses.slice(0, maxAddresses), address)
  }

  return {
    start() {
      if (dns !== undefined) return
      dns = multicastDns()
      // Without a network there is nobody to find; the next question may fare better.
      dns.on('error', (err: Error) => log.debug({ err }, 'multicast DNS failed'))
      dns.on('warning', (err: Error) => log.debug({ err }, 'a packet of multicast DNS could not be read'))
      dns.on('query', onQuery)
      dns.on('response', onResponse)
      asking = setInterval(ask, askMs)
      ask()
    },
    async stop() {
      clearInterval(asking)
      const stopping = dns
      dns = undefined
      if (stopping !== undefined) await new Promise<void>((resolve) => stopping.destroy(() => resolve()))
    },
  }
}

/** The addresses in a TXT record. */
function textsOf(data: unknown): string[] {
  const items: unknown[] = Array.isArray(data) ? data : [data]
  return items.flatMap((item) => {
    const text = Buffer.isBuffer(item) ? item.toString() : item
    return typeof text === 'string' && text.startsWith('dnsaddr=') && text.length <= maxAddressLength ? [text.slice('dnsaddr='.length)] : []
  })
}

function peerOf(text: string): string | undefined {
  try {
    return peerIdOf(parseMultiaddr(text))
  } catch {
    return undefined
  }
}
