import { DhtUnavailable, RecordNotFound } from '../../errors.ts'
import { createDeadline } from '../../lib/deadline.ts'
import { parseDhtKey, replaces, validateRecord } from '../../model/dht-record.ts'
import type { P2PEngine } from '../engine.ts'
import { together } from '../merged-routing.ts'
import type { FoundPeer, Routing } from '../routing.ts'
import { createBridgeChoice } from './bridge-choice.ts'
import { newSearch } from './carry.ts'
import { type Answer, askBridge, bridgeDhtProtocol, lookMs, maxBridges, type Question } from './dht-questions.ts'

/** Milliseconds after which a bridge is not waited for. */
const silentAfterMs = 12_000

/**
 * The DHTs of other networks, as far as linked bridges, and bridges beyond them, look things up in them. It stores and
 * announces nothing.
 */
export function createBridgedRouting({ engine }: { engine: Pick<P2PEngine, 'peerId' | 'peers' | 'request'> }): Routing {
  const choice = createBridgeChoice({ max: maxBridges })

  async function bridges(): Promise<string[]> {
    const linked = (await engine.peers()).filter(({ protocols }) => protocols.includes(bridgeDhtProtocol))
    if (linked.length === 0) throw askedOnly()
    return choice.choose(linked)
  }

  async function ask(bridge: string, question: Question, signal: AbortSignal): Promise<Answer> {
    using deadline = createDeadline(silentAfterMs, [signal])
    return await askBridge(engine, bridge, question, deadline.signal)
  }

  async function* providersAt(bridge: string, question: Question, signal: AbortSignal): AsyncGenerator<FoundPeer> {
    const { providers = [] } = await ask(bridge, question, signal).catch((): Answer => ({}))
    // It may have been in that network before it moved here.
    yield* providers.filter(({ peerId }) => peerId !== engine.peerId)
  }

  const unavailable = async () => {
    throw askedOnly()
  }
  return {
    findPeer: unavailable,
    // biome-ignore lint/correctness/useYield: it has nothing to yield
    async *closestPeers() {
      throw askedOnly()
    },
    provide: unavailable,
    stopProviding: unavailable,
    async *findProviders(cid, { signal }) {
      const all = await bridges()
      const question: Question = { type: 'providers', cid, timeoutMs: lookMs, search: newSearch() }
      yield* together(
        all.map((bridge) => providersAt(bridge, question, signal)),
        signal,
      )
    },
    put: unavailable,
    putOwn: unavailable,
    async get(text, { signal }) {
      const key = parseDhtKey(text)
      if (key.namespace === 'other') throw askedOnly()
      const question: Question = { type: 'get', key: text, timeoutMs: lookMs, search: newSearch() }
      const asked = (await bridges()).map(async (bridge) => {
        const { record } = await ask(bridge, question, signal)
        if (record === undefined) return undefined
        await validateRecord(key, record)
        choice.brought(bridge)
        return record
      })
      let best: Uint8Array | undefined
      for (const each of await Promise.allSettled(asked)) {
        const record = each.status === 'fulfilled' ? each.value : undefined
        if (record !== undefined && (best === undefined || (await replaces(key, record, best)))) best = record
      }
      if (best === undefined) throw new RecordNotFound('No bridge has found a record under this key.')
      return best
    },
  }
}

function askedOnly(): DhtUnavailable {
  return new DhtUnavailable('The DHT of another network can only be asked, by a bridge.')
}
