import { randomBytes } from 'node:crypto'
import { createShares } from '../../lib/shares.ts'
import { generateKeyPair } from '../../lib/x25519.ts'
import type { Limits } from '../../limits.ts'
import type { HandleOptions, RequestHandler } from '../engine.ts'
import { createRequestSemaphore, type RequestSemaphore } from '../request-semaphore.ts'
import { beginMs, decodeRequest, openQuestion, runBytes, type SealedQuestion, sealAnswer } from './envelopes.ts'
import { openRequest } from './sealing.ts'

/**
 * The recipient's side: `/peergate/bridged/1.0.0`. Opens what a bridge brings, and has the local handlers answer it as
 * a request of its author. A request gets no answer at all when the author has not signed it for this node, or it is
 * known already; the bridge could make up any other answer, but could not sign it.
 */
export interface Answering {
  readonly handler: RequestHandler
  handle(protocol: string, handler: RequestHandler, options: HandleOptions): void
  unhandle(protocol: string): void
}

export interface AnsweringInit {
  peerId: string
  seed: Uint8Array
  limits: Pick<Limits, 'maxBridgedRequestsKnown'>
}

export interface AnsweringComponents {
  /** Whether requests of this author are refused. */
  isBlocked(author: string): boolean
  onRefused(): void
  /** Milliseconds of a monotonic clock. */
  now?: () => number
}

interface Handled {
  handler: RequestHandler
  options: HandleOptions
  places: RequestSemaphore
}

type Refusal = { status: 'stale' | 'unsupported' | 'refused' }

/** The asker's view of this node's time is never ahead, except by the drift of two clocks in a minute. */
const driftMs = 1_000

export function createAnswering(init: AnsweringInit, components: AnsweringComponents): Answering {
  const { peerId, seed, limits } = init
  const { isBlocked, onRefused, now = () => performance.now() } = components
  const handled = new Map<string, Handled>()
  const run = randomBytes(runBytes)
  const keys = generateKeyPair()
  /** Requests that could begin once more, by author and nonce, in the order in which they are forgotten. */
  const known = new Map<string, { until: number; place: Disposable }>()
  const places = createShares({ max: limits.maxBridgedRequestsKnown })

  function forget(): void {
    for (const [id, { until, place }] of known) {
      if (until > now()) return
      known.delete(id)
      place[Symbol.dispose]()
    }
  }

  /** @throws Error when the request is known */
  function remember(author: string, nonce: Uint8Array, bridge: string): boolean {
    forget()
    const id = `${author} ${Buffer.from(nonce).toString('hex')}`
    if (known.has(id)) throw new Error('the request is known')
    const place = places.take(bridge)
    if (place === undefined) return false
    known.set(id, { until: now() + beginMs + driftMs, place })
    return true
  }

  function isStale({ run: asked, until }: SealedQuestion): boolean {
    return Buffer.compare(asked, run) !== 0 || until < now() || until > now() + beginMs + driftMs
  }

  function refused(): Refusal {
    onRefused()
    return { status: 'refused' }
  }

  async function answer(question: SealedQuestion & { from: string }, bridge: string, signal: AbortSignal) {
    const { from, nonce } = question
    if (isStale(question)) return { status: 'stale' } satisfies Refusal
    const { text, sealAnswer: seal } = openRequest(question, keys, { from, to: peerId })
    if (!remember(from, nonce, bridge)) return refused()
    const { protocol, body } = decodeRequest(text)
    const entry = handled.get(protocol)
    if (entry === undefined) return { status: 'unsupported' } satisfies Refusal
    const { handler, options, places: concurrent } = entry
    if (options.admits?.(from) === false || body.length > options.maxRequestBytes) return refused()
    // Peer ids are free, so all authors behind a bridge count together.
    using place = concurrent.take({ peerId: from, host: bridge }, body.length)
    if (place === undefined) return { status: 'refused' } satisfies Refusal
    try {
      return { status: 'answered' as const, box: seal(await handler({ from, body, signal, via: bridge })) }
    } catch {
      return { status: 'refused' } satisfies Refusal
    }
  }

  return {
    async handler({ from: bridge, body, signal }) {
      const question = await openQuestion(body)
      const { from, to, type } = question
      if (to !== peerId) throw new Error('the request is for another peer')
      if (from === peerId || isBlocked(from)) throw new Error('requests of this author are refused')
      if (type === 'ticket') return await sealAnswer({ status: 'ticket', run, now: Math.ceil(now()), key: keys.publicKey }, body, seed)
      return await sealAnswer(await answer(question, bridge, signal), body, seed)
    },
    handle(protocol, handler, options) {
      handled.set(protocol, { handler, options, places: createRequestSemaphore(options, { onRefused }) })
    },
    unhandle: (protocol) => void handled.delete(protocol),
  }
}
