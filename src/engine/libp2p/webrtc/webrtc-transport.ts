import { AsyncLocalStorage } from 'node:async_hooks'
import type { Connection, MultiaddrConnection, Stream, StreamMuxerFactory, Transport, Upgrader } from '@libp2p/interface'
import type { webRTC } from '@libp2p/webrtc'
import type { Multiaddr } from '@multiformats/multiaddr'
import type { PeerConnection as NativeConnection } from 'node-datachannel'
import { createShares } from '../../../lib/shares.ts'
import type { Limits } from '../../../limits.ts'
import { peerIdOf } from '../../../model/peer.ts'
import type { PunchOutcome } from '../../../telemetry/network-metrics.ts'
import { relayOf } from '../../dial/circuit-address.ts'
import type { DialGate } from '../../dial/gate.ts'
import { type DialPolicy, hostOf } from '../../dial/policy.ts'
import type { LimitsReached } from '../../limits-reached.ts'
import type { Allowance } from '../../reach/allowance.ts'
import type { StunAddress } from '../../stun/stun-service.ts'
import { createSessions, type Session } from '../../webrtc/sessions.ts'
import { tellerOf } from '../teller-of.ts'
import { boundMuxer, type MuxerComponents, type StreamLimits } from '../transport/bounded-muxer.ts'
import { boundChannels } from './channels.ts'
import { loadPeerConnections } from './peer-connections.ts'
import { checkSignals } from './signals.ts'

type WebRtcComponents = Parameters<ReturnType<typeof webRTC>>[0]

export type WebRtcLimits = StreamLimits &
  Pick<Limits, 'maxWebrtcConnections' | 'maxWebrtcUnreadBytes' | 'maxStreamsPerConnection' | 'dialTimeoutMs' | 'maxStreamBufferBytes'>

/**
 * Milliseconds for the answer to the end of this node's side of a stream. It waits behind what the peer has sent before,
 * and that waits to be read. After libp2p's ten seconds gossipsub would abort the stream, with everything in it.
 */
const endAnswerMs = 3_600_000

/** Loads the transport when it is on. */
export interface WebRtcLoader {
  readonly isOn: boolean
  load(components: Omit<Parameters<typeof loadWebRtc>[1], 'stunServers' | 'onOutcome'>): ReturnType<typeof loadWebRtc>
}

/**
 * libp2p over WebRTC between peers that cannot be dialled (https://github.com/libp2p/specs/blob/master/webrtc/webrtc.md):
 * browsers, and gateways whose routers let no TCP through. Two peers exchange signals over a connection through a relay,
 * and then packets over UDP. The library is loaded by this call. It has no limits of its own, so here each signal is
 * checked before the library reads it, each address before anything is sent to it, and each stream is bounded.
 */
export async function loadWebRtc(
  init: { limits: WebRtcLimits },
  components: {
    gate: DialGate
    policy: Pick<DialPolicy, 'told'>
    /** What may be sent to addresses that the peer of a relayed connection names. */
    allowanceOf(relayed: Connection): Allowance
    stunServers(): Promise<StunAddress[]>
    reached: LimitsReached
    /** A peer was reached over UDP, or was not. */
    onOutcome(outcome: PunchOutcome): void
  } & MuxerComponents,
): Promise<(components: WebRtcComponents) => Transport> {
  const [{ webRTC: createWebRtc }, peerConnections] = await Promise.all([import('@libp2p/webrtc'), loadPeerConnections()])
  const { limits } = init
  const { stunServers, allowanceOf, ...rest } = components
  const sessions = createSessions(init, rest)
  const current = new AsyncLocalStorage<Session>()
  const natives = new WeakMap<Session, NativeConnection>()
  const unread = createShares({ max: limits.maxWebrtcUnreadBytes })

  const namedOver = (relayed: Connection) => ({ teller: tellerOf(relayed), allowance: allowanceOf(relayed) })

  async function rtcConfiguration() {
    const session = current.getStore()
    if (session === undefined) throw new Error('there is no session')
    const peerConnection = peerConnections.create(await stunServers())
    natives.set(session, peerConnection)
    // The library takes servers of others when there is no list.
    const made = { peerConnection }
    return { iceServers: [], ...made }
  }

  /** Signals are taken over relayed connections only: other peers have been dialled. */
  function watchingSignals(registrar: WebRtcComponents['registrar']): WebRtcComponents['registrar'] {
    const handle: typeof registrar.handle = async (protocol, handler, options) => {
      const onSignals: typeof handler = (stream, connection) => {
        try {
          const session = sessions.begin({ ...endsOf(connection), begunBy: 'peer' })
          checkSignals(stream, 'offer', (candidate, use) => session.judge(candidate, namedOver(connection), use))
          return current.run(session, () => handler(stream, connection))
        } catch (error) {
          stream.abort(error instanceof Error ? error : new Error(String(error)))
        }
      }
      await registrar.handle(protocol, onSignals, options)
    }
    return Object.assign(Object.create(registrar), { handle })
  }

  /** The connection, whose signalling streams hand on what has been checked. */
  function signallingOver(connection: Connection): Connection {
    const newStream: Connection['newStream'] = async (protocol, options) => {
      const session = current.getStore()
      if (session === undefined) throw new Error('there is no session')
      const stream: Stream = await connection.newStream(protocol, options)
      checkSignals(stream, 'answer', (candidate, use) => session.judge(candidate, namedOver(connection), use))
      return stream
    }
    return Object.assign(Object.create(connection), { newStream })
  }

  function overRelays(connectionManager: WebRtcComponents['connectionManager']): WebRtcComponents['connectionManager'] {
    const getConnections: typeof connectionManager.getConnections = (peerId) =>
      connectionManager
        .getConnections(peerId)
        .filter(({ direct, status }) => !direct && status === 'open')
        .map(signallingOver)
    return Object.assign(Object.create(connectionManager), { getConnections })
  }

  function dialling(transportManager: WebRtcComponents['transportManager']): WebRtcComponents['transportManager'] {
    const dial: typeof transportManager.dial = async (address, options) => signallingOver(await transportManager.dial(address, options))
    return Object.assign(Object.create(transportManager), { dial })
  }

  function prepare(connection: MultiaddrConnection, factory: StreamMuxerFactory | undefined): { muxerFactory?: StreamMuxerFactory } {
    const session = current.getStore()
    const peerConnection = peerConnectionOf(factory)
    const native = session === undefined ? undefined : natives.get(session)
    if (native !== undefined && peerConnection !== undefined) peerConnections.handOn(native, peerConnection)
    const remote = remoteOf(peerConnection)
    session?.connected(remote)
    connection.addEventListener('close', () => session?.end(), { once: true })
    // The library forgets the connection on this event, which nothing else emits (libp2p/js-libp2p#3567).
    connection.addEventListener('close', () => peerConnection?.dispatchEvent(new Event('close')), { once: true })
    if (factory === undefined) return {}
    const host = remote === undefined ? '' : hostOf(remote.ip)
    const room = { take: (bytes: number) => unread.take(host, bytes) }
    const bounded = boundChannels(factory, { limits }, { reached: rest.reached, room })
    return { muxerFactory: boundMuxer(bounded, limits, rest) }
  }

  /** Upgrades connections whose streams are bounded. */
  function bounding(upgrader: Upgrader): Upgrader {
    const upgradeInbound: Upgrader['upgradeInbound'] = async (connection, options) =>
      await upgrader.upgradeInbound(connection, { ...options, ...prepare(connection, options.muxerFactory) })
    const upgradeOutbound: Upgrader['upgradeOutbound'] = async (connection: MultiaddrConnection, options) =>
      await upgrader.upgradeOutbound(connection, { ...options, ...prepare(connection, options.muxerFactory) })
    return Object.assign(Object.create(upgrader), { upgradeInbound, upgradeOutbound })
  }

  return (node) => {
    const transport = createWebRtc({
      rtcConfiguration,
      maxEarlyStreams: limits.maxStreamsPerConnection,
      dataChannel: { maxBufferedAmount: limits.maxStreamBufferBytes, finAckTimeout: endAnswerMs },
    })({
      peerId: node.peerId,
      logger: node.logger,
      events: node.events,
      registrar: watchingSignals(node.registrar),
      connectionManager: overRelays(node.connectionManager),
      transportManager: dialling(node.transportManager),
      upgrader: bounding(node.upgrader),
    })
    const { dial } = transport
    transport.dial = async (address, options) => {
      const session = sessions.begin({ peerId: peerIdOf(address) ?? '', relayId: relayIdOf(address), begunBy: 'own' })
      try {
        return await current.run(session, () => dial.call(transport, address, { ...options, upgrader: bounding(options.upgrader) }))
      } catch (error) {
        session.end()
        throw error
      }
    }
    return transport
  }
}

/**
 * The ends of a relayed connection. The library takes the peer id from the address, which the relay has written, for
 * that of the peer, so it must be the one that the peer has proved.
 */
function endsOf({ remotePeer, remoteAddr, direct }: Connection): { peerId: string; relayId: string } {
  const peerId = remotePeer.toString()
  if (direct) throw new Error('signals are taken over relayed connections only')
  if (peerIdOf(remoteAddr) !== peerId) throw new Error('the relay has named another peer')
  return { peerId, relayId: relayIdOf(remoteAddr) }
}

function relayIdOf(address: Multiaddr): string {
  const relay = relayOf(address)
  return (relay === undefined ? undefined : peerIdOf(relay)) ?? ''
}

/** What is used of the native connection, and of the library's internals that hold it. */
interface PeerConnection extends EventTarget {
  sctp?: { transport?: { iceTransport?: { getSelectedCandidatePair?(): { remote?: { address?: string; port?: number } } | null } } } | null
}

function peerConnectionOf(factory: (StreamMuxerFactory & { peerConnection?: unknown }) | undefined): PeerConnection | undefined {
  return factory?.peerConnection instanceof EventTarget ? factory.peerConnection : undefined
}

function remoteOf(peerConnection: PeerConnection | undefined): { ip: string; port: number } | undefined {
  const remote = peerConnection?.sctp?.transport?.iceTransport?.getSelectedCandidatePair?.()?.remote
  return remote?.address === undefined || remote.port === undefined ? undefined : { ip: remote.address, port: remote.port }
}
