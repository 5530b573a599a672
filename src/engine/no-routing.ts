import { DhtDisabled } from '../errors.ts'
import type { FoundPeer, Routing } from './routing.ts'

/** Routing of a node without a DHT: every method throws DhtDisabled. */
export function createNoRouting(): Routing {
  const refusal = () => new DhtDisabled('This gateway is configured without a DHT (PEERGATE_DHT).')

  async function refuse(): Promise<never> {
    throw refusal()
  }

  function refuseAll(): AsyncIterable<FoundPeer> {
    return { [Symbol.asyncIterator]: () => ({ next: refuse }) }
  }

  return {
    findPeer: refuse,
    closestPeers: refuseAll,
    provide: refuse,
    stopProviding: refuse,
    findProviders: refuseAll,
    put: refuse,
    putOwn: refuse,
    get: refuse,
  }
}
