import type { Finding } from '../../model/finding.ts'
import type { NodeView } from '../../model/node.ts'

/** What a running gateway says of itself, judged. */
export function judgeNode({ networks, identityConflicts, peerId }: Pick<NodeView, 'networks' | 'identityConflicts' | 'peerId'>): Finding[] {
  const twins = identityConflicts.filter((conflict) => conflict.peerId === peerId)
  return [
    ...networks.map(judgeNetwork),
    ...(twins.length === 0
      ? []
      : [
          {
            check: 'gateway' as const,
            state: 'problem' as const,
            detail: `Another node runs with the peer id of this gateway (last seen ${twins.at(-1)?.lastSeen}).`,
            fix: 'A key file was copied: stop one of the two, or remove its peer.key.',
          },
        ]),
  ]
}

function judgeNetwork({ engine, reachability, peers }: NodeView['networks'][number]): Finding {
  const { state, relays } = reachability
  const linked = `${peers} ${peers === 1 ? 'peer is' : 'peers are'} linked (${engine})`
  if (state === 'direct') return { check: 'reachability', state: 'ok', detail: `Peers reach this gateway; ${linked}.` }
  if (state !== 'hidden') return { check: 'reachability', state: 'ok', detail: `No peer has tried to reach this gateway yet; ${linked}.` }
  const way = relays.length === 0 ? 'and no relay leads to it' : `but ${relays.length} relays lead to it`
  return {
    check: 'reachability',
    state: 'warning',
    detail: `Peers do not reach this gateway directly (${engine}), ${way}; ${linked}.`,
    fix: 'Forward the ports of PEERGATE_LISTEN in the router and the firewall, and set PEERGATE_ANNOUNCE if they differ outside.',
  }
}
