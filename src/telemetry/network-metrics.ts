import { Counter, Gauge, type Registry } from 'prom-client'
import { type LinkPathName, linkPathNames } from '../model/peer.ts'

/** What happened between the log and one network, for the metrics that are kept for each. */
export interface NetworkValues {
  network: string
  /** Topics with messages that wait for a subscriber. */
  unsentTopics: number
  /** Messages of other peers that the network was handed because this node is a bridge. */
  bridgedMessages: number
  /** Topics that a bridge is subscribed to here only for the other network. */
  bridgedTopics: number
  givenUp: Readonly<Record<GivenUpReason, number>>
  /** Linked peers by the path to them. */
  links: Readonly<Record<LinkPathName, number>>
  /** Attempts at a direct path through routers. */
  punches: PunchCounts
  /** Circuits that are carried for other peers now, and the bytes that were. */
  circuits: number
  circuitBytes: number
}

/** How an attempt at a direct path ended, as values of a metric label. */
export const punchOutcomes = ['succeeded', 'failed'] as const
export type PunchOutcome = (typeof punchOutcomes)[number]

/** What an attempt sends its packets by, as values of a metric label: `udp` is WebRTC. */
export const punchTransports = ['tcp', 'udp'] as const
export type PunchTransport = (typeof punchTransports)[number]
export type PunchCounts = Readonly<Record<PunchTransport, Readonly<Record<PunchOutcome, number>>>>

/**
 * Why a message is no longer meant for a network, as values of a metric label.
 * - `no_subscriber`: its topic had no subscriber for `unsentWindowMs`.
 * - `too_large`: all subscribers take only smaller messages.
 */
export const givenUpReasons = ['no_subscriber', 'too_large'] as const
export type GivenUpReason = (typeof givenUpReasons)[number]

/** Registers the metrics of the networks. Returns a function that sets them, for each scrape. */
export function createNetworkMetrics(registry: Registry): (values: NetworkValues[]) => void {
  const metric = (name: string, help: string) => ({ name: `peergate_${name}`, help, registers: [registry], labelNames: ['network'] })
  const unsentTopics = new Gauge(metric('network_unsent_topics', 'Topics with messages that wait for a first subscriber in this network.'))
  const bridgedTopics = new Gauge(
    metric('bridged_topics', "Topics that a bridge is subscribed to in this network only for the other network's subscribers."),
  )
  const bridged = new Counter(
    metric(
      'bridged_messages_total',
      'Messages of other peers that a bridge handed to this network. Slow subscribers are fed some of them later.',
    ),
  )
  const givenUp = new Counter({
    ...metric(
      'given_up_messages_total',
      'Messages that this network was not handed, by reason: `no_subscriber` came within `unsentWindowMs`, or the message is `too_large` for all subscribers. They stay in the log.',
    ),
    labelNames: ['network', 'reason'],
  })
  const links = new Gauge({
    ...metric('links', 'Linked peers, by the path to them: the transport of a direct link, or `relay`.'),
    labelNames: ['network', 'path'],
  })
  const punches = new Counter({
    ...metric(
      'hole_punches_total',
      'Attempts to get a direct link through the routers of both ends in place of a relayed one, by transport (`udp` is WebRTC, and QUIC with libp2p) and outcome. Both ends count them.',
    ),
    labelNames: ['network', 'transport', 'outcome'],
  })
  const circuits = new Gauge(metric('relayed_circuits', 'Circuits that this gateway carries for other peers as a relay.'))
  const circuitBytes = new Counter(metric('relayed_bytes_total', 'Bytes that this gateway carried for other peers as a relay.'))

  return (values) => {
    for (const each of [unsentTopics, bridgedTopics, bridged, givenUp, links, punches, circuits, circuitBytes]) each.reset()
    for (const { network, ...of } of values) {
      unsentTopics.set({ network }, of.unsentTopics)
      bridgedTopics.set({ network }, of.bridgedTopics)
      bridged.inc({ network }, of.bridgedMessages)
      for (const reason of givenUpReasons) givenUp.inc({ network, reason }, of.givenUp[reason])
      for (const path of linkPathNames) links.set({ network, path }, of.links[path])
      for (const transport of punchTransports) {
        for (const outcome of punchOutcomes) punches.inc({ network, transport, outcome }, of.punches[transport][outcome])
      }
      circuits.set({ network }, of.circuits)
      circuitBytes.inc({ network }, of.circuitBytes)
    }
  }
}
