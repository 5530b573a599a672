import { randomBytes } from 'node:crypto'
import { encode } from 'cborg'
import { z } from 'zod'
import { BoundedMap } from '../../lib/bounded-map.ts'
import { bytes } from '../../lib/bytes-schema.ts'
import { decodeCbor } from '../../lib/cbor.ts'
import { createDeadline } from '../../lib/deadline.ts'
import { maxTopicBytes } from '../../model/topic.ts'
import { createSearches } from '../bridge/searches.ts'
import type { HandleOptions, Network, P2PEngine, RequestHandler } from '../engine.ts'

/**
 * `/peergate/bridge-interest/1.0.0`, spoken by bridges only, so that bridges know each other by it. A bridge subscribes
 * in one network for the subscribers of the other, so its subscription alone says nothing of who wants the messages:
 * two bridges would keep each other's alive. Another bridge that is linked in one network only asks it: a request is
 * CBOR of {id, hops, topics}, and the answer CBOR of {wanted}, the places of those topics in the list that
 * clients of the bridge follow, or a subscriber in its other network, or in a network beyond: it asks the bridges there
 * in turn, for `hops` bridges at most. A bridge that is asked the same once more (by the 8-byte id, of a topic) says what
 * it found the first time, so a question goes through each bridge once, whatever the topology.
 */
export const interestProtocol = '/peergate/bridge-interest/1.0.0'

/** What is wanted of topics by who is not in the network itself. */
export interface InterestBeyond {
  /** Of these topics, those that bridges linked in this network are subscribed to for others than its peers, with these bridges. */
  ask(network: Side, topics: string[]): Promise<Map<string, string[]>>
  /** Answers bridges that are linked in this network. */
  answerIn(network: Side): Promise<void>
}

export type Side = Pick<P2PEngine & Network, 'kind' | 'subscribers' | 'request' | 'handle'>

export interface InterestBeyondComponents {
  sides: readonly [Side, Side]
  /** Topics of the node itself. */
  own: ReadonlySet<string>
  isBridge(peerId: string): boolean
  /** Whether a peer is linked in both networks. It gets the messages of each without the help of a bridge. */
  isInBoth(peerId: string): boolean
}

const maxTopics = 256
const maxHops = 8
const idBytes = 8
/** Milliseconds in which the last bridge answers. Each bridge before it has as many more. */
const hopMs = 500
/** Milliseconds that a copy of a question waits for what the first one finds. */
const copyMs = 250
/** Questions of this node, and topics of others' questions, that are known when they come back. */
const maxKnown = 4_096

const questionSchema = z.strictObject({
  id: bytes({ min: idBytes, max: idBytes }),
  hops: z.int().min(0).max(maxHops),
  topics: z.array(z.string().min(1).max(maxTopicBytes)).min(1).max(maxTopics),
})
type Question = z.infer<typeof questionSchema>

const answerSchema = z.strictObject({ wanted: z.array(z.int().min(0).max(maxTopics)).max(maxTopics) })

const options: HandleOptions = { maxRequestBytes: 4 * maxTopics * maxTopicBytes, maxConcurrent: 16 }
const maxAnswerBytes = 4 * maxTopics

export function createInterestBeyond(components: InterestBeyondComponents): InterestBeyond {
  const { sides, own, isBridge, isInBoth } = components
  /** By side, what has been asked in it. */
  const searches = new Map(sides.map((side) => [side, createSearches<boolean>({ max: maxKnown, waitMs: copyMs })]))
  /** Questions of this node, which other bridges bring back. */
  const ownQuestions = new BoundedMap<string, undefined>({ max: maxKnown })

  /** Of a question's topics, those that are wanted. What a copy of it has asked before is not asked again. */
  async function wantedOnce(question: Question, network: Side): Promise<Set<string>> {
    const { hops, topics } = question
    const id = Buffer.from(question.id).toString('hex')
    if (ownQuestions.has(id)) return new Set()
    const fresh: string[] = []
    const asked = Promise.withResolvers<Set<string>>()
    const isWanted = topics.map(async (topic) => {
      const ask = async () => {
        fresh.push(topic)
        return (await asked.promise).has(topic)
      }
      return await searches.get(network)?.run(`${id} ${topic}`, { hops, timeoutMs: 0 }, ask)
    })
    asked.resolve(fresh.length === 0 ? new Set() : wanted({ ...question, topics: fresh }, network))
    const answers = await Promise.all(isWanted)
    return new Set(topics.filter((_, place) => answers[place] === true))
  }

  /** Asks one bridge, as many topics at a time as a question has. It is not asked further when it fails to answer. */
  async function askBridge(bridge: string, network: Side, question: Question): Promise<string[]> {
    const found: string[] = []
    using deadline = createDeadline(hopMs * (question.hops + 1), [])
    for (let first = 0; first < question.topics.length; first += maxTopics) {
      const topics = question.topics.slice(first, first + maxTopics)
      const answer = await network
        .request(bridge, interestProtocol, encode({ ...question, topics }), { signal: deadline.signal, maxAnswerBytes })
        .then((raw) => answerSchema.safeParse(decodeCbor(raw)).data)
        .catch(() => undefined)
      if (answer === undefined) break
      found.push(...answer.wanted.flatMap((place) => topics[place] ?? []))
    }
    return found
  }

  /** Asks the bridges that are subscribed in a network to the topics of a question. */
  async function askIn(network: Side, question: Question): Promise<Map<string, string[]>> {
    const subscribed = await Promise.all(
      question.topics.map(async (topic) => {
        const bridges = (await network.subscribers(topic)).filter((peer) => isBridge(peer) && !isInBoth(peer))
        return bridges.map((bridge) => ({ bridge, topic }))
      }),
    )
    const byBridge = Map.groupBy(subscribed.flat(), ({ bridge }) => bridge)
    const found = new Map<string, string[]>()
    const asked = Array.from(byBridge, async ([bridge, some]) => {
      const topics = await askBridge(bridge, network, { ...question, topics: some.map(({ topic }) => topic) })
      for (const topic of new Set(topics)) found.set(topic, [...(found.get(topic) ?? []), bridge])
    })
    await Promise.all(asked)
    return found
  }

  /** Of the topics of a question that came in a network, those that are wanted here or beyond. */
  async function wanted(question: Question, network: Side): Promise<Set<string>> {
    const found = new Set<string>()
    const [other] = sides.filter((side) => side !== network)
    if (other === undefined) return found
    for (const topic of question.topics) {
      if (own.has(topic) || (await other.subscribers(topic)).some((peer) => !isBridge(peer))) found.add(topic)
    }
    const open = question.topics.filter((topic) => !found.has(topic))
    if (open.length === 0 || question.hops === 0) return found
    return found.union(new Set((await askIn(other, { ...question, hops: question.hops - 1, topics: open })).keys()))
  }

  function handlerIn(network: Side): RequestHandler {
    return async ({ body }) => {
      const question = questionSchema.parse(decodeCbor(body, { rejectDuplicateMapKeys: true }))
      const found = await wantedOnce(question, network)
      return encode({ wanted: question.topics.flatMap((topic, place) => (found.has(topic) ? place : [])) })
    }
  }

  return {
    async ask(network, topics) {
      const id = randomBytes(idBytes)
      ownQuestions.set(id.toString('hex'), undefined)
      return await askIn(network, { id, hops: maxHops - 1, topics })
    },
    answerIn: (network) => network.handle(interestProtocol, handlerIn(network), options),
  }
}
