import { randomBytes } from 'node:crypto'
import { networkInterfaces } from 'node:os'
import type multicastDns from 'multicast-dns'
import type { Logger } from 'pino'
import { parseMultiaddr, peerIdOf } from '../../model/peer.ts'
import { createLocalMulticast, type NetworkInterface } from './multicast.ts'

/**
 * Discovers nodes on the local networks, and announces this node, by multicast DNS (RFC 6762) with the records of
 * https://github.com/libp2p/specs/blob/master/discovery/mdns.md. The service name is that of the nodes' protocol.
 */
export interface LocalDiscovery {
  start(): void
  stop(): Promise<void>
}

/** Interval between two queries in milliseconds, and the TTL of an answer in seconds. */
const askMs = 10_000
const ttl = 120
/** Milliseconds between two answers; one answer serves all queries in between (RFC 6762, section 6). */
const answerMs = 1_000
/** Maximum addresses in one answer, and length of one address. */
const maxAddresses = 16
const maxAddressLength = 255

export function createLocalDiscovery(
  init: { serviceName: string; peerId: string; multiaddrs(): string[] },
  components: { onFound(peerId: string, multiaddrs: string[], from: string): void; logger: Logger },
): LocalDiscovery {
  const { serviceName: name, peerId, multiaddrs } = init
  const { onFound, logger } = components
  const multicast = createLocalMulticast({ serviceName: name }, { onQuery, onResponse, onInterface: ask, logger })
  /** Random: the specification asks for a name that reveals nothing about the peer. */
  const instance = `${randomBytes(16).toString('hex')}.${name}`
  let asking: NodeJS.Timeout | undefined
  let answering: NodeJS.Timeout | undefined
  let answeredAt = Number.NEGATIVE_INFINITY

  function ask(): void {
    void multicast.send(() => ({ type: 'query', questions: [{ name, type: 'PTR' }] }))
  }

  function answer(): void {
    answering = undefined
    answeredAt = performance.now()
    const known = multiaddrs().map((address) => ({ address, host: hostOf(address) }))
    const others = localAddresses()
    void multicast.send((on) => {
      const data = known
        .filter(({ host }) => isValidOn(on, host, others))
        .map(({ address }) => Buffer.from(`dnsaddr=${address}`))
        .filter(({ length }) => length <= maxAddressLength)
        .slice(0, maxAddresses)
      if (data.length === 0) return undefined
      return {
        type: 'response',
        answers: [{ name, type: 'PTR', ttl, data: instance }],
        additionals: [{ name: instance, type: 'TXT', ttl, data }],
      }
    })
  }

  function onQuery({ questions }: multicastDns.QueryPacket): void {
    if (questions?.some((question) => question.name === name && question.type === 'PTR') !== true) return
    answering ??= setTimeout(answer, Math.max(0, answeredAt + answerMs - performance.now()))
  }

  function onResponse({ answers, additionals }: multicastDns.ResponsePacket, { address }: { address: string }): void {
    const records = [...(answers ?? []), ...(additionals ?? [])]
    if (!records.some((record) => record.type === 'PTR' && record.name === name)) return
    const found = new Map<string, string[]>()
    const texts = records.flatMap((record) => (record.type === 'TXT' ? textsOf(record.data) : []))
    // An answer is of one node.
    for (const text of texts.slice(0, maxAddresses)) {
      const other = peerOf(text)
      if (other === undefined || other === peerId) continue
      found.set(other, [...(found.get(other) ?? []), text])
    }
    for (const [other, addresses] of found) onFound(other, addresses, address)
  }

  return {
    start() {
      if (asking !== undefined) return
      asking = setInterval(ask, askMs)
      multicast.start()
    },
    async stop() {
      clearInterval(asking)
      clearTimeout(answering)
      asking = undefined
      answering = undefined
      await multicast.stop()
    },
  }
}

/**
 * Whether this node may be reachable at an address from an interface's network (RFC 6762, section 6.2): not at the
 * address of another interface. Names and addresses of a router are valid on every interface.
 */
function isValidOn(on: NetworkInterface, host: string, ofThisHost: ReadonlySet<string>): boolean {
  return on.isLoopback || on.addresses.includes(host) || !ofThisHost.has(host)
}

/** The IP addresses of this host's interfaces. */
function localAddresses(): Set<string> {
  return new Set(Object.values(networkInterfaces()).flatMap((addresses) => addresses?.map(({ address }) => address) ?? []))
}

function hostOf(multiaddr: string): string {
  return parseMultiaddr(multiaddr).getComponents()[0]?.value ?? ''
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
