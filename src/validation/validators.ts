import type { Logger } from 'pino'
import type { Members } from '../cluster/members.ts'
import { askPeer } from '../engine/ask-peer.ts'
import type { P2PEngine } from '../engine/engine.ts'
import { BoundedMap } from '../lib/bounded-map.ts'
import { byCodePoint } from '../lib/by-code-point.ts'
import { createDeadline } from '../lib/deadline.ts'
import { type Page, pageOf } from '../lib/page.ts'
import type { Limits } from '../limits.ts'
import { messageId, type SignedMessage } from '../model/signed-message.ts'
import { decodeSigned, encodeSigned, signedOverheadBytes } from '../model/signed-message-codec.ts'
import { matchesTopic, type TopicFilter } from '../model/topic.ts'
import { type Judgement, type Registration, strictest, unjudged, type ValidatorView } from '../model/validator.ts'
import type { GatewayRecord } from '../store/gateway-store.ts'
import type { LogStore } from '../store/log-store.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import { decodeJudgement, encodeJudgement, judgementBytes, validateProtocol } from './validate-protocol.ts'
import type { JudgedTopic, ValidatorRegistry } from './validator-registry.ts'

/**
 * Has received messages judged by the validators of their topics, at all gateways of the database, before anything else
 * is done with them. The strictest verdict counts. Does not own the registrations (validator-registry.ts) or what follows
 * from a verdict, which is `log`'s.
 */
export interface Validators {
  start(): Promise<void>
  stop(): Promise<void>
  /** Resolves in the order of the calls, per topic. */
  judge(message: SignedMessage): Promise<Judgement>
  /** A page of the `visible` topics that clients of this gateway judge, by name, exclusive of `after`. */
  list(query: { after?: string | undefined; limit: number; visible: TopicFilter }): Page<ValidatorView>
}

export type ValidatorsLimits = Pick<Limits, 'maxMessageBytes' | 'maxPeerRequests'>

export interface ValidatorsComponents {
  engine: Pick<P2PEngine, 'peerId' | 'request' | 'handle' | 'unhandle'>
  registry: Pick<ValidatorRegistry, 'ask' | 'registrations' | 'judged' | 'watch'>
  gateways: Pick<Members, 'others' | 'link' | 'refresh'>
  messages: Pick<LogStore, 'unknown'>
  metrics: Pick<Metrics, 'judged'>
  logger: Logger
}

/** Milliseconds for which a gateway may use its list of the topics that are judged at other gateways. */
const leaseMs = 1_000
/**
 * Number and lifetime (milliseconds) of remembered verdicts: a message often arrives from several peers, and at several
 * gateways, at once.
 */
const maxRemembered = 10_000
const rememberMs = 10_000

export function createValidators(init: { limits: ValidatorsLimits }, components: ValidatorsComponents): Validators {
  const { limits } = init
  const { engine, registry, gateways, messages, metrics, logger } = components
  /** The last pending judgement of each topic. */
  const turns = new Map<string, Promise<unknown>>()
  /** Judgements of this gateway's validators, given or pending, by message id and signature. */
  const remembered = new BoundedMap<string, { judgement: Promise<Judgement>; at: number }>({ max: maxRemembered })
  /** The other gateways as last read, used while the database cannot be read. */
  let lastKnown: GatewayRecord[] = []
  let looking: NodeJS.Timeout | undefined

  // A registration is in effect once every gateway of the database asks about its topic.
  registry.watch(async () => {
    await gateways.refresh()
    const hasOthers = (await others()).length > 0
    // Each gateway reads the registrations again when its lease ends.
    if (hasOthers) await new Promise((resolve) => setTimeout(resolve, leaseMs))
  })

  async function others(): Promise<GatewayRecord[]> {
    try {
      lastKnown = await gateways.others(leaseMs)
    } catch (err) {
      // Debug level: the store reports its outage itself, and this would repeat it for each message.
      logger.debug({ err }, 'validators of other gateways could not be read; the last known ones are used')
    }
    return lastKnown
  }

  function judgeHere(message: SignedMessage): Promise<Judgement> {
    const key = `${messageId(message.from, message.sequence)} ${Buffer.from(message.signature).toString('base64')}`
    remembered.deleteWhile(({ at }) => at <= performance.now() - rememberMs)
    const known = remembered.get(key)
    if (known !== undefined) return known.judgement
    const judgement = registry.ask(message)
    remembered.set(key, { judgement, at: performance.now() })
    judgement.then(
      ({ given }) => {
        // A default verdict is not remembered, so that the validators may be asked again.
        if (!given) remembered.delete(key)
      },
      () => remembered.delete(key),
    )
    return judgement
  }

  async function judgeThere({ peerId, about }: GatewayRecord, registration: Registration, message: SignedMessage): Promise<Judgement> {
    try {
      using deadline = createDeadline(registration.deadlineMs, [])
      const { signal } = deadline
      const link = () => gateways.link(peerId, about.multiaddrs, signal)
      const question = { peerId, protocol: validateProtocol, body: encodeSigned(message), link }
      return decodeJudgement(await askPeer(engine, question, { signal, maxAnswerBytes: judgementBytes }))
    } catch (err) {
      logger.debug({ err, peerId }, 'a validator at another gateway gave no verdict')
      return { verdict: registration.default, given: false }
    }
  }

  async function judgeNow(message: SignedMessage): Promise<Judgement> {
    const { topic, from } = message
    const siblings = await others()
    const elsewhere = siblings.flatMap((gateway) => {
      const registration = gateway.about.judged?.find((each) => each.topic === topic)
      return registration === undefined ? [] : { gateway, registration }
    })
    const isHere = registry.registrations.has(topic)
    if (!isHere && elsewhere.length === 0) return unjudged
    // Messages that gateways of this database published or accepted are not judged again.
    if (from === engine.peerId || siblings.some(({ peerId }) => peerId === from)) return unjudged
    if ((await messages.unknown([messageId(from, message.sequence)])).length === 0) return unjudged
    const there = elsewhere.map(({ gateway, registration }) => judgeThere(gateway, registration, message))
    const judgement = strictest(await Promise.all([...(isHere ? [judgeHere(message)] : []), ...there]))
    metrics.judged(judgement)
    return judgement
  }

  return {
    async start() {
      // Keeps the list of gateways that may ask (`admits`) up to date.
      looking = setInterval(() => {
        if (registry.registrations.size > 0) void others()
      }, leaseMs)
      await engine.handle(validateProtocol, async ({ body }) => encodeJudgement(await judgeHere(decodeSigned(body))), {
        maxRequestBytes: limits.maxMessageBytes + signedOverheadBytes,
        maxConcurrent: limits.maxPeerRequests,
        // A new gateway is in the list by the time that it learns of this gateway's validators.
        admits: (from) => lastKnown.some(({ peerId }) => peerId === from),
      })
    },
    async stop() {
      clearInterval(looking)
      await engine.unhandle(validateProtocol)
    },
    list({ after = '', limit, visible }) {
      const later = registry.judged.filter(({ topic }) => byCodePoint(topic, after) > 0 && matchesTopic(visible, topic))
      const page = pageOf(
        later.toSorted((one, other) => byCodePoint(one.topic, other.topic)),
        limit,
        ({ topic }) => topic,
      )
      const view = (each: JudgedTopic) => ({ ...each, since: new Date(each.since).toISOString(), gateway: engine.peerId })
      return { ...page, items: page.items.map(view) }
    },
    async judge(message) {
      const { topic } = message
      const judged = judgeNow(message)
      // Drops the result, since each promise would hold the one before it.
      const turn = Promise.allSettled([turns.get(topic), judged]).then(() => undefined)
      turns.set(topic, turn)
      await turn
      if (turns.get(topic) === turn) turns.delete(topic)
      return await judged
    },
  }
}
