import { domainToASCII } from 'node:url'
import { peerIdFromString } from '@libp2p/peer-id'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import { z } from 'zod'
import { InvalidMultiaddr, InvalidPeerId } from '../errors.ts'
import { foreignText, textProblem } from './text.ts'
import { topicSchema } from './topic.ts'

/** Parses a libp2p peer id (base58 multihash or CIDv1). Returns its base58 form. @throws InvalidPeerId */
export function parsePeerId(text: string): string {
  try {
    return peerIdFromString(text).toString()
  } catch (cause) {
    throw new InvalidPeerId('A peer id looks like 12D3KooW… (the base58 form of a libp2p key).', { cause })
  }
}

/** Maximum UTF-16 units of an invalid address in an error. */
const maxShownLength = 200

/**
 * @throws InvalidMultiaddr when the text is not a multiaddr, is not valid text (lone surrogate, control characters), or
 * contains an invalid peer id or host name
 */
export function parseMultiaddr(text: string): Multiaddr {
  try {
    const problem = textProblem(text)
    if (problem !== undefined) throw new Error(`it ${problem}`)
    const address = multiaddr(text)
    const components = address.getComponents()
    if (components.length === 0) throw new Error('it is empty')
    if (components.some(({ name, value = '' }) => dnsNames.test(name) && domainToASCII(value) === ''))
      throw new Error('no host has this name')
    const peerId = peerIdOf(address)
    if (peerId !== undefined) peerIdFromString(peerId)
    return address
  } catch (cause) {
    throw new InvalidMultiaddr(
      `"${foreignText(text, maxShownLength)}" is not a multiaddr; one looks like /ip4/192.0.2.1/tcp/7071/p2p/12D3KooW…`,
      {
        cause,
        errors: [{ path: '/multiaddr', message: 'is not a multiaddr' }],
      },
    )
  }
}

/**
 * Parses a multiaddr, or an address of the custom engine: `ws://host:port` or `wss://host:port`.
 * @throws InvalidMultiaddr
 */
export function parseAddress(text: string): Multiaddr {
  const isUrl = /^wss?:\/\//i.test(text) && textProblem(text) === undefined && URL.canParse(text)
  return isUrl ? fromUrl(new URL(text)) : parseMultiaddr(text)
}

const dnsNames = /^dns(4|6|addr)?$/

function fromUrl({ protocol, hostname, port }: URL): Multiaddr {
  const form = protocol.slice(0, -1)
  const ip6 = /^\[(.*)\]$/.exec(hostname)?.[1]
  const host = ip6 !== undefined ? `ip6/${ip6}` : /^[\d.]+$/.test(hostname) ? `ip4/${hostname}` : `dns/${hostname}`
  return multiaddr(`/${host}/tcp/${port === '' ? (form === 'wss' ? 443 : 80) : port}/${form}`)
}

/** The peer id at the end of a multiaddr, if it has one. */
export function peerIdOf(address: Multiaddr): string | undefined {
  return address.getComponents().findLast((component) => component.name === 'p2p')?.value
}

export const peerIdSchema = z.string().meta({
  id: 'PeerId',
  description: 'A libp2p peer id.',
  format: 'peer-id',
  minLength: 1,
  maxLength: 128,
  example: '12D3KooWGzBVWSyX2WwYPxNSUAtV5E7aVvZLgzPZKbLsdFQhcZYz',
})

export const multiaddrSchema = z.string().max(1024).meta({
  id: 'Multiaddr',
  description: 'A multiaddr.',
  format: 'multiaddr',
  minLength: 1,
  example: '/ip4/192.0.2.7/tcp/7071/p2p/12D3KooWGzBVWSyX2WwYPxNSUAtV5E7aVvZLgzPZKbLsdFQhcZYz',
})

/**
 * The source of an address, which the dial policy depends on. `configured` (bootstrap), `rest` and `mdns` addresses can
 * be private. A `learnt` address (from another peer) must be public, or in a network that contains both this host and a
 * peer that reported the address.
 */
export const addressSourceSchema = z.enum(['configured', 'rest', 'mdns', 'learnt'])
export type AddressSource = z.infer<typeof addressSourceSchema>

export interface KnownAddress {
  multiaddr: string
  source: AddressSource
}

export const peerStateSchema = z.enum(['connected', 'known', 'blocked']).meta({
  id: 'PeerStateFilter',
  description: 'State of a peer: `connected` (linked), `known` (seen before), or `blocked` (links are refused).',
  example: 'connected',
})

const linkDirectionSchema = z.enum(['inbound', 'outbound']).meta({
  id: 'LinkDirection',
  description: 'Direction of a link: `inbound` if the peer dialled, `outbound` if this gateway did.',
  example: 'outbound',
})

/** How a link reaches its peer: the transport of a direct link, or a relay. */
export const linkPathNames = ['tcp', 'websocket', 'quic', 'webrtc', 'relay'] as const
export type LinkPathName = (typeof linkPathNames)[number]

export const maxLabelLength = 200

const countOf = (what: string) => z.int().min(0).describe(what)

export const peerTrafficSchema = z
  .object({
    messagesIn: countOf('Messages that the peer has sent, copies of known ones too.'),
    bytesIn: countOf('Bytes of those messages.'),
    messagesOut: countOf('Messages that were sent to the peer.'),
    bytesOut: countOf('Bytes of those messages.'),
  })
  .meta({
    id: 'MessageTraffic',
    description: 'Messages of topics that the peer and this gateway have sent each other since they are linked; zero while they are not.',
  })
export type PeerTraffic = z.infer<typeof peerTrafficSchema>

export const peerSchema = z
  .object({
    peerId: peerIdSchema,
    multiaddrs: z.array(multiaddrSchema).describe('Addresses at which the peer was reached or claims to listen.'),
    state: peerStateSchema,
    networks: z
      .array(z.string())
      .describe('The networks of the links to the peer: `custom`, `libp2p`, or both with a bridge; empty while not connected.')
      .meta({ example: ['libp2p'] }),
    direction: linkDirectionSchema.nullable().describe('Direction of the link; null while not connected.'),
    path: z
      .string()
      .nullable()
      .describe(
        'How requests and direct messages reach the peer: by a direct link over `tcp`, `websocket`, `quic` or `webrtc`, by a link through a `relay`, through a `bridge` (the peer answered through it in the last minutes), or null. Of several links a direct one is shown.',
      )
      .meta({ example: 'tcp' }),
    via: peerIdSchema
      .nullable()
      .describe('The relay or the linked bridge that `path` leads through, if it is known; null for a direct link.'),
    beyond: z
      .array(peerIdSchema)
      .describe('The bridges that `path` leads through after `via`, in their order, as the bridges told; empty if there are none.'),
    since: z.iso.datetime().nullable().describe('When this gateway began to use `path`; null without one.'),
    agent: z.string().nullable().describe('Software that the peer claims to run. Not verified.'),
    protocols: z.array(z.string()).describe('Protocols that the peer claims to support. Not verified.'),
    latencyMs: z.number().nullable().describe('Last measured round-trip time, in milliseconds.'),
    traffic: peerTrafficSchema,
    score: z
      .number()
      .nullable()
      .describe(
        'How the engine rates the peer: below zero after misbehaviour. On libp2p it is the score of gossipsub, which useful messages raise; on `custom` it is zero minus the penalty points. Null while not connected, or when there is no score. A peer in two networks has the lower of its two scores.',
      ),
    firstSeen: z.iso.datetime(),
    lastSeen: z.iso.datetime(),
    topics: z.array(topicSchema).describe('Topics that both the peer and this gateway have joined.'),
    label: z.string().nullable(),
    gateway: peerIdSchema.describe('The gateway that responds, and whose link to the peer is described.'),
  })
  .meta({ id: 'Peer' })
export type Peer = z.infer<typeof peerSchema>
