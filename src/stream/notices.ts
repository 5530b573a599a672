import type { DeliveryView } from '../model/delivery.ts'
import { visibleTo } from '../model/grant.ts'
import type { Peer } from '../model/peer.ts'
import type { PeerNotice } from '../peers/peer-notices.ts'
import type { Client } from './client.ts'
import { naming } from './server-frames.ts'

// Notices are not messages: a client whose outlet is full misses them.

export function notifyOfPeer(
  { outlet, subscriptions, grant }: Pick<Client, 'outlet' | 'subscriptions' | 'grant'>,
  event: PeerNotice,
  peer: Peer,
): void {
  if (!outlet.writable) return
  for (const { name, peers } of subscriptions.values()) {
    if (peers) outlet.send({ type: 'peer', event, ...naming(name), peer: visibleTo(grant, peer) })
  }
}

export function notifyOfDelivery({ outlet, subscriptions }: Pick<Client, 'outlet' | 'subscriptions'>, delivery: DeliveryView): void {
  if (!outlet.writable) return
  for (const { name, deliveries } of subscriptions.values()) {
    if (deliveries) outlet.send({ type: 'delivery', ...naming(name), delivery })
  }
}
