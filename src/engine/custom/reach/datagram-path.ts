import { setImmediate as nextTurn } from 'node:timers/promises'
import { multiaddr } from '@multiformats/multiaddr'
import type { Logger } from 'pino'
import { type BackOffRange, backOffMs } from '../../../lib/back-off.ts'
import { createDeadline } from '../../../lib/deadline.ts'
import { peerIdOf } from '../../../model/peer.ts'
import { relayOf } from '../../dial/circuit-address.ts'
import { isPublicAddress } from '../../dial/policy.ts'
import type { RequestHandler } from '../../engine.ts'
import type { Allowance } from '../../reach/allowance.ts'
import type { ChannelConnection } from '../../webrtc/channel-connection.ts'
import { checkCandidate } from '../../webrtc/session-description.ts'
import type { Session, Sessions } from '../../webrtc/sessions.ts'
import type { Link } from '../link/link.ts'
import type { MeetingOver } from '../link/link-handshake.ts'
import type { RecordSocket } from '../link/record-socket.ts'
import { tellerOf } from '../link/teller-of.ts'
import { createAttemptHistory } from './attempt-history.ts'
import { createChannelSocket } from './channel-socket.ts'
import { maxSignalsBytes, signals, webRtcProtocol } from './protocols.ts'

/**
 * Makes direct links over UDP of links through relays, by WebRTC: each end tells the other one its description and
 * addresses on the relayed link, in one request and its answer, and then both send packets to the other's addresses.
 * The dialling end of the relayed link begins.
 */
export interface DatagramPath {
  /** Begins attempts for links that are due. Call it every few seconds. */
  step(): void
  /** Handles `webRtcProtocol`. */
  readonly handle: RequestHandler
}

export interface DatagramPathComponents {
  links: { get(peerId: string): Link | undefined; readonly all: Iterable<Link> }
  /** Whether a relayed link has no way over TCP, as far as this node knows. */
  isDue(link: Link): boolean
  /** Makes a connection, which asks the STUN servers of linked gateways. @throws Error */
  connect(): Promise<ChannelConnection>
  sessions: Sessions
  /** What may be sent to addresses that the peer of a relayed link names. */
  allowanceOf(link: Link): Allowance
  /** Makes a link on an open socket, which then counts. @throws Error */
  meet(socket: RecordSocket, side: MeetingOver, signal: AbortSignal): Promise<void>
  /** Fires when the node is stopped. */
  stopping(): AbortSignal
  logger: Logger
  now?: () => number
  random?: () => number
}

const pauses: BackOffRange = { firstMs: 5_000, lastMs: 3_600_000 }

export function createDatagramPath(init: { limits: { dialTimeoutMs: number } }, components: DatagramPathComponents): DatagramPath {
  const { dialTimeoutMs } = init.limits
  const { links, isDue, connect, sessions, allowanceOf, meet, stopping, logger, now = () => performance.now(), random } = components
  const history = createAttemptHistory({ pauseMs: (failures) => backOffMs(pauses, failures, random) }, { now })
  const attempts = new Set<string>()

  /** Makes a connection that keeps its place until it has ended, and is closed when the work on it fails. */
  async function withConnection(
    link: Link,
    signal: AbortSignal,
    work: (connection: ChannelConnection, session: Session) => Promise<void>,
  ): Promise<void> {
    const relay = relayOf(multiaddr(link.remote))
    const relayId = (relay === undefined ? undefined : peerIdOf(relay)) ?? ''
    const session = sessions.begin({ peerId: link.peerId, relayId, begunBy: link.direction === 'outbound' ? 'own' : 'peer' })
    try {
      const connection = await connect()
      void connection.ended.then(session.end)
      try {
        signal.throwIfAborted()
        await work(connection, session)
      } catch (error) {
        connection.close()
        throw error
      }
    } catch (error) {
      session.end()
      throw error
    }
  }

  async function localSignals(connection: ChannelConnection, signal: AbortSignal): Promise<Uint8Array> {
    const { description, candidates } = await connection.describe(signal)
    // Peers behind a relay send to no others.
    const told = candidates.filter(({ ip }) => isPublicAddress(ip)).map(({ text }) => text)
    return signals.encode({ description, candidates: told.slice(0, signals.maxCandidates) })
  }

  /** Has packets sent to those addresses that the dial policy, the budget of dials and the peer's allowance let through. */
  function tryAll(connection: ChannelConnection, session: Session, told: string[], link: Link): void {
    const over = { teller: tellerOf(link), allowance: allowanceOf(link) }
    for (const text of told) {
      const candidate = checkCandidate(text)
      if (candidate !== undefined) session.judge(candidate, over, () => connection.tryAt(candidate))
    }
  }

  /** Waits for the other end, and makes a link. */
  async function finish(
    { connection, session, socket }: { connection: ChannelConnection; session: Session; socket: RecordSocket },
    link: Link,
    role: MeetingOver['role'],
    signal: AbortSignal,
  ): Promise<void> {
    const { peerId, remote } = link
    session.connected(await connection.opened(signal))
    await meet(socket, { role, expectedPeerId: peerId, remote: `${remote}/webrtc`, dialledAt: remote }, signal)
    logger.debug({ peerId }, 'a link over UDP takes the place of one through a relay')
  }

  async function begin(link: Link): Promise<void> {
    const { peerId } = link
    attempts.add(peerId)
    using deadline = createDeadline(dialTimeoutMs, [stopping()])
    const { signal } = deadline
    try {
      await withConnection(link, signal, async (connection, session) => {
        const socket = createChannelSocket(connection)
        const offer = await localSignals(connection, signal)
        const answer = signals.decode(await link.request(webRtcProtocol, offer, { signal, maxAnswerBytes: maxSignalsBytes }))
        connection.accept('answer', answer.description)
        tryAll(connection, session, answer.candidates, link)
        await finish({ connection, session, socket }, link, 'initiator', signal)
      })
      history.succeeded(link)
    } catch (err) {
      history.failed(link)
      logger.debug({ err, peerId }, 'found no path over UDP to a peer behind a relay')
    } finally {
      attempts.delete(peerId)
    }
  }

  /** Resolves with this end's signals; the connection is made meanwhile. */
  async function follow(link: Link, body: Uint8Array, answered: (signals: Uint8Array) => void): Promise<void> {
    using deadline = createDeadline(dialTimeoutMs, [stopping()])
    const { signal } = deadline
    const offer = signals.decode(body)
    await withConnection(link, signal, async (connection, session) => {
      const socket = createChannelSocket(connection)
      connection.accept('offer', offer.description)
      answered(await localSignals(connection, signal))
      // The beginning end needs the answer before packets: it takes no certificate of which it has no fingerprint.
      await nextTurn()
      await link.ping(signal)
      tryAll(connection, session, offer.candidates, link)
      await finish({ connection, session, socket }, link, 'responder', signal)
    })
  }

  return {
    step() {
      for (const link of links.all) {
        const { peerId, direction, isRelayed, hello } = link
        if (direction !== 'outbound' || !isRelayed || !hello.protocols.includes(webRtcProtocol)) continue
        if (attempts.has(peerId) || history.isPausing(link) || !isDue(link)) continue
        void begin(link)
      }
    },
    async handle({ from, body }) {
      const link = links.get(from)
      if (link?.direction !== 'inbound' || !link.isRelayed) throw new Error('there is no relayed link of this peer')
      const answer = Promise.withResolvers<Uint8Array>()
      follow(link, body, answer.resolve).catch((err: unknown) => {
        answer.reject(err)
        logger.debug({ err, peerId: from }, 'a peer behind a relay has found no path over UDP')
      })
      return await answer.promise
    },
  }
}
