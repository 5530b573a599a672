import { createHash } from 'node:crypto'
import { createDeadline } from '../../lib/deadline.ts'
import { createShares } from '../../lib/shares.ts'
import type { ConnectedPeer, P2PEngine } from '../engine.ts'
import { createBridgeChoice } from './bridge-choice.ts'
import { type Carried, type Carry, decodeCarried, encodeCarry, type Search } from './carry.ts'
import { openAnswer, openQuestion } from './envelopes.ts'
import { bridgeProtocol } from './protocols.ts'
import { createSearches } from './searches.ts'

/**
 * How bridges find a peer that none of the asker's bridges is linked to. A bridge hands the question for a ticket to
 * the bridges in its other network, and they to those in theirs. Each takes a search, by its 8-byte id and the question
 * that its asker has signed, once, so a question passes each bridge once in any topology. Only a ticket is searched for: the request then goes the one way on
 * which the ticket came.
 */
export interface Searching {
  /** Asks the bridges beside the asker's network for the recipient's ticket. */
  search(from: string, carry: Asked): Promise<Carried>
}

type Asked = Carry & { search: Search }

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
/** Milliseconds that a copy of a search waits for what the first one finds. */
const copyMs = 500

const noLink: Carried = { status: 'no_link' }

export function createSearching(components: SearchingComponents): Searching {
  const { engine, beside, onRefused } = components
  const searches = createSearches<Carried>({ max: maxKnown, waitMs: copyMs })
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

  /** What bridges beside the asker's network find. */
  async function searchBeside(from: string, { to, envelope, search: { id, hops } }: Asked, leftMs: number): Promise<Carried> {
    if (!(await isTicketQuestion({ to, envelope, timeoutMs: leftMs }))) return noLink
    const others = (await beside(from)).filter(({ protocols }) => protocols.includes(bridgeProtocol))
    const next = { to, envelope, timeoutMs: leftMs, ...(hops > 1 ? { search: { id, hops: hops - 1 } } : {}) }
    const enough = new AbortController()
    using deadline = createDeadline(leftMs, [enough.signal])
    const asked = choice.choose(others).map((bridge) => askBridge(bridge, next, deadline.signal))
    // The first ticket wins; the other bridges need look no further.
    const found = await Promise.any(asked).catch(() => noLink)
    enough.abort()
    return found
  }

  return {
    async search(from, asked) {
      const { to, envelope, timeoutMs, search } = asked
      const leftMs = Math.min(timeoutMs, searchMs) - hopMs
      if (leftMs <= 0) return noLink
      using place = places.take(from)
      if (place === undefined) {
        onRefused()
        return { status: 'busy' }
      }
      const key = createHash('sha256').update(search.id).update(to).update(envelope).digest('base64')
      const reach = { hops: search.hops, timeoutMs: leftMs }
      return (await searches.run(key, reach, () => searchBeside(from, asked, leftMs))) ?? noLink
    },
  }
}
