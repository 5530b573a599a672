import { BoundedMap } from '../../lib/bounded-map.ts'
import { createDeadline } from '../../lib/deadline.ts'
import { createShares } from '../../lib/shares.ts'
import type { ConnectedPeer, P2PEngine } from '../engine.ts'
import { createBridgeChoice } from './bridge-choice.ts'
import { type Carried, type Carry, decodeCarried, encodeCarry, type Search } from './carry.ts'
import { openAnswer, openQuestion } from './envelopes.ts'
import { bridgeProtocol } from './protocols.ts'

/**
 * How bridges find a peer that none of the asker's bridges is linked to. A bridge hands the question for a ticket to
 * the bridges in its other network, and they to those in theirs. Each takes a search, by its 8-byte id, once, so a
 * question passes each bridge once in any topology. Only a ticket is searched for: the request then goes the one way on
 * which the ticket came.
 */
export interface Searching {
  /** Asks the bridges beside the asker's network for the recipient's ticket. */
  search(from: string, carry: Carry & { search: Search }, signal: AbortSignal): Promise<Carried>
}

export interface SearchingComponents {
  engine: Pick<P2PEngine, 'peerId' | 'request'>
  /** The linked peers of networks that a linked peer is not in. */
  beside(from: string): Promise<ConnectedPeer[]>
  onRefused(): void
}

/** Bridges that are asked in one search, by each bridge. */
const maxBridges = 8
/** Searches in progress at a bridge. A search makes others work, so they are few, and one asker has a quarter. */
const maxSearches = 64
const maxKnown = 4_096
/** Milliseconds of a search, and how many fewer each next bridge has, so that an answer gets back in time. */
const searchMs = 3_000
const hopMs = 250
const maxTicketBytes = 4_096

const noLink: Carried = { status: 'no_link' }

export function createSearching(components: SearchingComponents): Searching {
  const { engine, beside, onRefused } = components
  /** Searches that have been here. */
  const known = new BoundedMap<string, undefined>({ max: maxKnown })
  const places = createShares({ max: maxSearches })
  const choice = createBridgeChoice({ max: maxBridges })

  async function isTicketQuestion({ to, envelope }: Carry): Promise<boolean> {
    const question = await openQuestion(envelope).catch(() => undefined)
    return question?.type === 'ticket' && question.to === to
  }

  /** @throws Error when the bridge brings no ticket of the recipient */
  async function askBridge(bridge: string, carry: Carry, signal: AbortSignal): Promise<Carried> {
    const { to, envelope: question } = carry
    const carried = decodeCarried(
      await engine.request(bridge, bridgeProtocol, encodeCarry(carry), { signal, maxAnswerBytes: maxTicketBytes }),
    )
    if (carried.status !== 'answered') throw new Error('the bridge has not found the peer')
    const { status } = await openAnswer(carried.envelope, { question, from: to })
    if (status !== 'ticket') throw new Error('the peer gave no ticket')
    const { route: beyond = [] } = carried
    const isWay = beyond.length <= (carry.search?.hops ?? 0) && !beyond.includes(bridge) && !beyond.includes(engine.peerId)
    if (!isWay) throw new Error('the bridge names a way that nothing may go')
    choice.brought(bridge)
    return { ...carried, route: [bridge, ...beyond] }
  }

  return {
    async search(from, { to, envelope, timeoutMs, search: { id, hops } }, signal) {
      const key = Buffer.from(id).toString('hex')
      const leftMs = Math.min(timeoutMs, searchMs) - hopMs
      if (known.has(key) || leftMs <= 0) return noLink
      known.set(key, undefined)
      using place = places.take(from)
      if (place === undefined) {
        onRefused()
        return { status: 'busy' }
      }
      if (!(await isTicketQuestion({ to, envelope, timeoutMs }))) return noLink
      const others = (await beside(from)).filter(({ protocols }) => protocols.includes(bridgeProtocol))
      const next = { to, envelope, timeoutMs: leftMs, ...(hops > 1 ? { search: { id, hops: hops - 1 } } : {}) }
      const enough = new AbortController()
      using deadline = createDeadline(leftMs, [signal, enough.signal])
      const asked = choice.choose(others).map((bridge) => askBridge(bridge, next, deadline.signal))
      // The first ticket wins; the other bridges need look no further.
      const found = await Promise.any(asked).catch(() => noLink)
      enough.abort()
      return found
    },
  }
}
