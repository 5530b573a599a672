import type { Limits } from '../../../limits.ts'
import type { PunchOutcome } from '../../../telemetry/network-metrics.ts'
import type { DialGate } from '../../dial/gate.ts'
import type { DialPolicy } from '../../dial/policy.ts'
import type { LimitsReached } from '../../limits-reached.ts'
import { createStunService, maxStunAnswerBytes, type StunAddress, stunHandleOptions, stunProtocol } from '../../stun/stun-service.ts'
import { type ChannelConnection, createChannelConnection } from '../../webrtc/channel-connection.ts'
import { type CreateNativeConnection, loadNativeConnections } from '../../webrtc/native-connections.ts'
import { createSessions } from '../../webrtc/sessions.ts'
import type { Handlers } from '../link/handlers.ts'
import type { Link } from '../link/link.ts'
import { createDatagramPath, type DatagramPath, type DatagramPathComponents } from './datagram-path.ts'
import { maxSignalsBytes, webRtcProtocol } from './protocols.ts'

/**
 * WebRTC of the custom engine: the way over UDP to peers behind routers, and the STUN server for them. Made only where
 * the operator has turned it on.
 */
export interface WebRtc extends Pick<DatagramPath, 'step'> {
  start(): void
  stop(): Promise<void>
}

/** Handlers in progress, each as long as its connection is being made. */
const handleOptions = { maxRequestBytes: maxSignalsBytes, maxConcurrent: 20 }

export function createWebRtc(
  init: { stunPort: number; limits: Pick<Limits, 'maxWebrtcConnections' | 'dialTimeoutMs'> },
  components: Omit<DatagramPathComponents, 'connect' | 'sessions'> & {
    handlers: Handlers
    dialGate: DialGate
    told: DialPolicy['told']
    /** Whether the peer of a link can be dialled. */
    isDialable(link: Link): boolean
    reached: LimitsReached
    /** A peer was reached over UDP, or was not. */
    onOutcome(outcome: PunchOutcome): void
  },
): WebRtc {
  const { links, handlers, dialGate: gate, told, isDialable, reached, onOutcome, logger } = components
  const stun = createStunService(init, { logger })
  const sessions = createSessions(init, { gate, policy: { told }, reached, onOutcome })
  const path = createDatagramPath(init, { ...components, connect, sessions })
  let native: Promise<CreateNativeConnection> | undefined

  async function connect(): Promise<ChannelConnection> {
    const create = await native
    if (create === undefined) throw new Error('the node is not running')
    return createChannelConnection(create(await stunServers()))
  }

  /** Of gateways that this node has dialled: they are reachable. */
  async function stunServers(): Promise<StunAddress[]> {
    const able = [...links.all].filter((link) => link.hello.protocols.includes(stunProtocol) && isDialable(link))
    return await stun.of(
      able.map((link) => ({
        key: link,
        ip: link.seenAt ?? '',
        ask: (signal) => link.request(stunProtocol, new Uint8Array(), { signal, maxAnswerBytes: maxStunAnswerBytes }),
      })),
    )
  }

  return {
    step: path.step,
    start() {
      native = loadNativeConnections()
      native.catch((err: unknown) => logger.warn({ err }, 'the native library of WebRTC could not be loaded'))
      stun.start()
      handlers.set(stunProtocol, stun.handle, stunHandleOptions)
      handlers.set(webRtcProtocol, path.handle, handleOptions)
    },
    async stop() {
      native = undefined
      handlers.delete(stunProtocol)
      handlers.delete(webRtcProtocol)
      await stun.stop()
    },
  }
}
