import { encode } from 'cborg'
import { createDeadline } from '../../lib/deadline.ts'
import { parseDhtKey, replaces, validateRecord } from '../../model/dht-record.ts'
import type { HandleOptions, Network, P2PEngine, RequestHandler } from '../engine.ts'
import type { FoundPeer } from '../routing.ts'
import { peersBeside } from './beside.ts'
import { createBridgeChoice } from './bridge-choice.ts'
import {
  type Answer,
  askBridge,
  bridgeDhtProtocol,
  decodeQuestion,
  lookMs,
  maxAddresses,
  maxBridges,
  maxProviders,
  type Question,
} from './dht-questions.ts'
import { createSearches } from './searches.ts'

/** A lookup costs the other network dozens of requests, so few are in progress. */
export const bridgeDhtOptions: HandleOptions = { maxRequestBytes: 2_048, maxConcurrent: 16 }

/** Searches that are known when they come back. */
const maxKnown = 1_024
/** How many milliseconds fewer each next bridge has, so that an answer gets back in time. */
const hopMs = 250
/** Milliseconds that a copy of a search waits for what the first one finds. */
const copyMs = 1_000

/** The work of a bridge: looks in the networks beside the asker's, and has the bridges there look further. */
export function createDhtAnswering({ engine }: { engine: Pick<P2PEngine, 'networks' | 'peers' | 'request'> }): RequestHandler {
  const searches = createSearches<Answer>({ max: maxKnown, waitMs: copyMs })
  const choice = createBridgeChoice({ max: maxBridges })

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

  async function lookBeyond(from: string, { search, ...question }: Question, signal: AbortSignal): Promise<Array<Promise<Answer>>> {
    const timeoutMs = Math.min(question.timeoutMs, lookMs) - hopMs
    if (search === undefined || timeoutMs <= 0) return []
    const bridges = (await peersBeside(engine, from)).filter(({ protocols }) => protocols.includes(bridgeDhtProtocol))
    const { id, hops } = search
    const next = { ...question, timeoutMs, ...(hops > 1 ? { search: { id, hops: hops - 1 } } : {}) }
    return choice.choose(bridges).map((bridge) => askBridge(engine, bridge, next, signal))
  }

  async function answer(from: string, question: Question, timeoutMs: number, signals: AbortSignal[]): Promise<Answer> {
    using deadline = createDeadline(timeoutMs, signals)
    const others = await Promise.all(engine.networks.map(async (network) => ((await isIn(network, from)) ? [] : [network])))
    const looks = others.flat().map((network) => look(network, question, deadline.signal))
    const beyond = await lookBeyond(from, question, deadline.signal)
    const settled = await Promise.allSettled([...looks, ...beyond])
    const answers = settled.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []))
    return question.type === 'get' ? await best(question.key, answers) : mixed(answers)
  }

  return async ({ from, body, signal }) => {
    const question = decodeQuestion(body)
    const { search } = question
    const timeoutMs = Math.min(question.timeoutMs, lookMs)
    if (search === undefined) return encode(await answer(from, question, timeoutMs, [signal]))
    const key = `${Buffer.from(search.id).toString('hex')} ${question.type === 'get' ? question.key : question.cid}`
    // Not only this asker waits for it.
    return encode((await searches.run(key, { hops: search.hops, timeoutMs }, () => answer(from, question, timeoutMs, []))) ?? {})
  }
}

/** The newest of the records that prove the key. */
async function best(text: string, answers: Answer[]): Promise<Answer> {
  const key = parseDhtKey(text)
  let found: Uint8Array | undefined
  for (const { record } of answers) {
    if (record === undefined || !(await proves(key, record))) continue
    if (found === undefined || (await replaces(key, record, found))) found = record
  }
  return found === undefined ? {} : { record: found }
}

const proves = (key: Parameters<typeof validateRecord>[0], record: Uint8Array) =>
  validateRecord(key, record).then(
    () => true,
    () => false,
  )

/** Some of each answer, so that no bridge fills the list with what it makes up. */
function mixed(answers: Answer[]): Answer {
  const found = new Map<string, FoundPeer>()
  for (let place = 0; place < maxProviders; place++) {
    for (const { providers } of answers) {
      const provider = providers?.[place]
      if (provider !== undefined && !found.has(provider.peerId)) found.set(provider.peerId, provider)
    }
  }
  return { providers: [...found.values()].slice(0, maxProviders) }
}
