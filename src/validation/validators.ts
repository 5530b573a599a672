import type { Logger } from 'pino'
import type { Members } from '../cluster/members.ts'
import { askPeer } from '../engine/ask-peer.ts'
import type { P2PEngine } from '../engine/engine.ts'
import { createDeadline } from '../lib/deadline.ts'
import { messageId, type SignedMessage } from '../model/signed-message.ts'
import { decodeSigned, encodeSigned, signedOverheadBytes } from '../model/signed-message-codec.ts'
import { type Judgement, type Registration, strictest, unjudged } from '../model/validator.ts'
import type { GatewayRecord } from '../store/gateway-store.ts'
import type { LogStore } from '../store/log-store.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import { decodeJudgement, encodeJudgement, judgementBytes, validateProtocol } from './validate-protocol.ts'
import type { ValidatorRegistry } from './validator-registry.ts'

/**
 * Has messages of others judged by the clients that have registered for their topics, at whichever gateway of the database these are,
 * before anything else is done with them. The strictest verdict counts.
 */
export interface Validators {
  start(): Promise<void>
  stop(): Promise<void>
  /** In the order of the calls for each topic: nothing is judged before what came before it. */
  judge(message: SignedMessage): Promise<Judgement>
}

export interface ValidatorsLimits {
  maxMessageBytes: number
  maxPeerRequests: number
}

export interface ValidatorsComponents {
  engine: Pick<P2PEngine, 'peerId' | 'request' | 'handle' | 'unhandle'>
  registry: Pick<ValidatorRegistry, 'ask' | 'registrations' | 'watch'>
  gateways: Pick<Members, 'others' | 'link' | 'refresh'>
  messages: Pick<LogStore, 'unknown'>
  metrics: Pick<Metrics, 'judged'>
  logger: Logger
}

/** Milliseconds for which a gateway may go on with what it has read of what is judged at the others. */
const leaseMs = 1_000
/** Verdicts that are remembered, and for how many milliseconds: a message often comes from several peers, and to several gateways, at once. */
const maxRemembered = 10_000
const rememberMs = 10_000

export function createValidators(init: { limits: ValidatorsLimits }, components: ValidatorsComponents): Validators {
  const { limits } = init
  const { engine, registry, gateways, messages, metrics, logger } = components
  /** The last of each topic that is being judged. */
  const turns = new Map<string, Promise<unknown>>()
  /** By what was signed, what was said of it here, or is being asked. */
  const remembered = new Map<string, { judgement: Promise<Judgement>; at: number }>()
  /** What is known of the other gateways when the database does not say. */
  let lastKnown: GatewayRecord[] = []
  let looking: NodeJS.Timeout | undefined

  // Who begins to judge has begun once every gateway of the database asks about its topics.
  registry.watch(async () => {
    await gateways.refresh()
    const hasOthers = (await others()).length > 0
    // Each of them reads it when its lease ends.
    if (hasOthers) await new Promise((resolve) => setTimeout(resolve, leaseMs))
  })

  async function others(): Promise<GatewayRecord[]> {
    try {
      lastKnown = await gateways.others(leaseMs)
    } catch (err) {
      // The store says that it is away; here each message would say it.
      logger.debug({ err }, 'what is judged at other gateways could not be read; it is taken to be as it was')
    }
    return lastKnown
  }

  function forgetOld(): void {
    for (const [key, { at }] of remembered) {
      if (remembered.size <= maxRemembered && at > performance.now() - rememberMs) return
      remembered.delete(key)
    }
  }

  function judgeHere(message: SignedMessage): Promise<Judgement> {
    const key = `${messageId(message.from, message.sequence)} ${Buffer.from(message.signature).toString('base64')}`
    forgetOld()
    const known = remembered.get(key)
    if (known !== undefined) return known.judgement
    const judgement = registry.ask(message)
    remembered.set(key, { judgement, at: performance.now() })
    void judgement.then(({ given }) => {
      // What nobody has said may be asked again.
      if (!given) remembered.delete(key)
    })
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
    // What the gateways of this database have published, or have let in, is in the log.
    if (from === engine.peerId || siblings.some(({ peerId }) => peerId === from)) return unjudged
    if ((await messages.unknown([messageId(from, message.sequence)])).length === 0) return unjudged
    const there = elsewhere.map(({ gateway, registration }) => judgeThere(gateway, registration, message))
    const judgement = strictest(await Promise.all([...(isHere ? [judgeHere(message)] : []), ...there]))
    metrics.judged(judgement)
    return judgement
  }

  return {
    async start() {
      // Who may ask is known before they do.
      looking = setInterval(() => {
        if (registry.registrations.size > 0) void others()
      }, leaseMs)
      await engine.handle(validateProtocol, async ({ body }) => encodeJudgement(await judgeHere(decodeSigned(body))), {
        maxRequestBytes: limits.maxMessageBytes + signedOverheadBytes,
        maxConcurrent: limits.maxPeerRequests,
        // As of the last look at them: one that is new is known when its lease on what is judged here ends.
        admits: (from) => lastKnown.some(({ peerId }) => peerId === from),
      })
    },
    async stop() {
      clearInterval(looking)
      await engine.unhandle(validateProtocol)
    },
    async judge(message) {
      const { topic } = message
      const judged = judgeNow(message)
      // Without what came of it: each would hold the one before.
      const turn = Promise.allSettled([turns.get(topic), judged]).then(() => undefined)
      turns.set(topic, turn)
      await turn
      if (turns.get(topic) === turn) turns.delete(topic)
      return await judged
    },
  }
}
