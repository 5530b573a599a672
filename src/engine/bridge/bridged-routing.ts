import { encode } from 'cborg'
import { z } from 'zod'
import { DhtUnavailable, RecordNotFound } from '../../errors.ts'
import { bytes } from '../../lib/bytes-schema.ts'
import { decodeCbor } from '../../lib/cbor.ts'
import { createDeadline } from '../../lib/deadline.ts'
import { maxRecordBytes, parseDhtKey, replaces, validateRecord } from '../../model/dht-record.ts'
import type { HandleOptions, Network, P2PEngine, RequestHandler } from '../engine.ts'
import { together } from '../merged-routing.ts'
import type { FoundPeer, Routing } from '../routing.ts'

/**
 * `/peergate/bridge-dht/1.0.0`, spoken by bridges: looks up what the DHT of another network has. A request is CBOR of
 * {type: 'get', key, timeoutMs} or {type: 'providers', cid, timeoutMs}. The answer is CBOR of {record} for the record of
 * a `/peergate` key, {providers} with at most 20 of {peerId, multiaddrs}, or {}, when nothing is found in that time. A
 * bridge asks the networks that the asker is not linked in, and no other bridge. Nothing is kept.
 */
export const bridgeDhtProtocol = '/peergate/bridge-dht/1.0.0'

const maxProviders = 20
const maxAddresses = 32
/** Bridges that are asked for one thing. */
const maxBridges = 4
/** Milliseconds in which a bridge looks for something, and after which it is not waited for. */
const lookMs = 10_000
const silentAfterMs = 12_000

const timeoutMs = z.int().min(1).max(60_000)
const questionSchema = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('get'), key: z.string().max(1_024), timeoutMs }),
  z.strictObject({ type: z.literal('providers'), cid: z.string().max(256), timeoutMs }),
])
type Question = z.infer<typeof questionSchema>

const providerSchema = z.strictObject({
  peerId: z.string().min(1).max(128),
  multiaddrs: z.array(z.string().max(1_024)).max(maxAddresses),
})
const answerSchema = z.strictObject({
  record: bytes({ max: maxRecordBytes }).optional(),
  providers: z.array(providerSchema).max(maxProviders).optional(),
})
type Answer = z.infer<typeof answerSchema>

const maxAnswerBytes = maxRecordBytes + maxProviders * (maxAddresses + 1) * 1_024

/** A lookup costs the other network dozens of requests, so few are in progress. */
export const bridgeDhtOptions: HandleOptions = { maxRequestBytes: 2_048, maxConcurrent: 16 }

/** The work of a bridge. */
export function answerFromOtherNetworks({ networks }: Pick<P2PEngine, 'networks'>): RequestHandler {
  async function isIn(network: Network, peer: string): Promise<boolean> {
    return (await network.peers()).some(({ peerId }) => peerId === peer)
  }

  async function look({ routing }: Network, question: Question, signal: AbortSignal): Promise<Answer> {
    if (question.type === 'get') return { record: await routing.get(question.key, { signal }) }
    const providers: FoundPeer[] = []
    try {
      for await (const { peerId, multiaddrs } of routing.findProviders(question.cid, { signal })) {
        providers.push({ peerId, multiaddrs: multiaddrs.slice(0, maxAddresses) })
        if (providers.length === maxProviders) break
      }
    } catch (error) {
      if (providers.length === 0) throw error
    }
    return { providers }
  }

  return async ({ from, body, signal }) => {
    const question = questionSchema.parse(decodeCbor(body))
    using deadline = createDeadline(Math.min(question.timeoutMs, lookMs), [signal])
    const others = await Promise.all(networks.map(async (network) => ((await isIn(network, from)) ? [] : [network])))
    const looks = others.flat().map((network) => look(network, question, deadline.signal))
    return encode(await Promise.any(looks).catch(() => ({})))
  }
}

/**
 * The DHTs of other networks, as far as linked bridges look things up in them. It stores and announces nothing.
 */
export function createBridgedRouting({ engine }: { engine: Pick<P2PEngine, 'peerId' | 'peers' | 'request'> }): Routing {
  async function bridges(): Promise<string[]> {
    const linked = (await engine.peers()).filter(({ protocols }) => protocols.includes(bridgeDhtProtocol))
    if (linked.length === 0) throw askedOnly()
    return linked.slice(0, maxBridges).map(({ peerId }) => peerId)
  }

  async function ask(bridge: string, question: Question, signal: AbortSignal): Promise<Answer> {
    using deadline = createDeadline(silentAfterMs, [signal])
    const answer = await engine.request(bridge, bridgeDhtProtocol, encode(question), { signal: deadline.signal, maxAnswerBytes })
    return answerSchema.parse(decodeCbor(answer))
  }

  async function* providersAt(bridge: string, cid: string, signal: AbortSignal): AsyncGenerator<FoundPeer> {
    const { providers = [] } = await ask(bridge, { type: 'providers', cid, timeoutMs: lookMs }, signal).catch((): Answer => ({}))
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
      yield* together(
        all.map((bridge) => providersAt(bridge, cid, signal)),
        signal,
      )
    },
    put: unavailable,
    putOwn: unavailable,
    async get(text, { signal }) {
      const key = parseDhtKey(text)
      if (key.namespace === 'other') throw askedOnly()
      const asked = (await bridges()).map(async (bridge) => {
        const { record } = await ask(bridge, { type: 'get', key: text, timeoutMs: lookMs }, signal)
        if (record !== undefined) await validateRecord(key, record)
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
