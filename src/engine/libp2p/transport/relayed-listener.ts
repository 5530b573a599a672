import { type Listener, type ListenerEvents, TypedEventEmitter } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'

/** What libp2p listens on at `/p2p-circuit`: the addresses of this node through its relays, as they change. */
export class RelayedListener extends TypedEventEmitter<ListenerEvents> implements Listener {
  #addresses: Multiaddr[] = []

  set(addresses: Multiaddr[]): void {
    this.#addresses = addresses
    this.safeDispatchEvent('listening')
  }

  async listen(): Promise<void> {}

  getAddrs(): Multiaddr[] {
    return this.#addresses
  }

  updateAnnounceAddrs(): void {}

  async close(): Promise<void> {
    this.#addresses = []
    this.safeDispatchEvent('close')
  }
}
