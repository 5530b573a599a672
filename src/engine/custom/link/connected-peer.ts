import { askerOf } from '../../asker.ts'
import type { Link, LinkView } from './link.ts'
import { tellerOf } from './teller-of.ts'

/** The peer of a link, as other parts of the gateway see it. */
export function connectedPeerOf(link: Omit<Link, 'view'>, latencyMs: number | null): LinkView {
  const { peerId, dialledAt, direction, path } = link
  const { agent, multiaddrs, protocols } = link.hello
  return {
    peerId,
    host: askerOf(peerId, tellerOf(link), { isConfigured: false }).host,
    networks: ['custom'],
    multiaddrs: [...new Set([...(dialledAt === undefined ? [] : [`${dialledAt}/p2p/${peerId}`]), ...multiaddrs])],
    direction,
    path,
    agent,
    protocols,
    latencyMs,
  }
}
