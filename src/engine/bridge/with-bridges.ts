import { PeerNotConnected } from '../../errors.ts'
import type { Identity } from '../../identity/identity.ts'
import { createWatchers } from '../../lib/watchers.ts'
import type { Limits } from '../../limits.ts'
import type { EngineEvent, P2PEngine } from '../engine.ts'
import { createMergedRouting } from '../merged-routing.ts'
import { createAnswering } from './answering.ts'
import { createAsking } from './asking.ts'
import { createBridgedRouting } from './bridged-routing.ts'
import { type BridgeLimits, carryOptions, createCarrying } from './carrying.ts'
import { bridgeDhtOptions, createDhtAnswering } from './dht-answering.ts'
import { bridgeDhtProtocol } from './dht-questions.ts'
import { bridgedProtocol, bridgeProtocol } from './protocols.ts'

export interface WithBridgesInit {
  limits: BridgeLimits & Pick<Limits, 'maxBridgedRequestsKnown' | 'maxServiceQueue'>
  /** Whether this node is a bridge. Default: whether the engine is of two networks. */
  isBridge?: boolean
  /** Whether the node takes part in a DHT. */
  dht?: boolean
}

/**
 * An engine of any kind whose requests and handlers with `bridged` also work through bridges: it asks linked bridges
 * for peers that are not linked and for what is in another network's DHT, answers what bridges bring, and does the work
 * of a bridge if it is one. It knows the engine by its contract only.
 */
export function withBridges(init: WithBridgesInit, components: { engine: P2PEngine; identity: Pick<Identity, 'seed'> }): P2PEngine {
  const { engine, identity } = components
  const { limits, isBridge = engine.kind === 'both', dht = true } = init
  const { peerId } = engine
  const { seed } = identity
  const blocked = new Set<string>()
  const watchers = createWatchers<[event: EngineEvent]>()
  let refused = 0
  const onRefused = () => void refused++
  const asking = createAsking(
    { peerId, seed, limits },
    { engine, onAnswered: (other, via, beyond) => watchers.tell({ type: 'peer:bridged', peerId: other, via, beyond }) },
  )
  const answering = createAnswering({ peerId, seed, limits }, { isBlocked: (author) => blocked.has(author), onRefused })

  return {
    ...engine,
    get networks() {
      return engine.networks
    },
    routing: dht ? createMergedRouting([engine.routing, createBridgedRouting({ engine })]) : engine.routing,
    async start() {
      await engine.handle(bridgedProtocol, answering.handler, carryOptions(limits))
      if (isBridge) await engine.handle(bridgeProtocol, createCarrying({ limits }, { engine, onRefused }), carryOptions(limits))
      if (isBridge && dht) await engine.handle(bridgeDhtProtocol, createDhtAnswering({ engine }), bridgeDhtOptions)
      await engine.start()
    },
    async block(other) {
      blocked.add(other)
      await engine.block(other)
    },
    async unblock(other) {
      blocked.delete(other)
      await engine.unblock(other)
    },
    async request(other, protocol, body, options) {
      try {
        return await engine.request(other, protocol, body, options)
      } catch (error) {
        if (!(error instanceof PeerNotConnected) || options.bridged !== true || other === peerId || blocked.has(other)) throw error
      }
      return await asking.request(other, protocol, body, options)
    },
    async handle(protocol, handler, options) {
      if (options.bridged === true) answering.handle(protocol, handler, options)
      else answering.unhandle(protocol)
      await engine.handle(protocol, handler, options)
    },
    async unhandle(protocol) {
      answering.unhandle(protocol)
      await engine.unhandle(protocol)
    },
    listen(listener) {
      const ends = [engine.listen(listener), watchers.watch(listener)]
      return () => {
        for (const end of ends) end()
      }
    },
    get dropped() {
      return engine.dropped
    },
    get limitsReached() {
      return { ...engine.limitsReached, bridged_request: engine.limitsReached.bridged_request + refused }
    },
  }
}
