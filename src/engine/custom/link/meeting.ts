import type { Logger } from 'pino'
import type { DialTarget } from '../../dial-gate.ts'
import { withoutPeerId } from '../../endpoint.ts'
import { openWebSocket } from '../../open-web-socket.ts'
import { establish, subprotocol } from './establish.ts'
import type { Handlers } from './handlers.ts'
import type { Hello } from './hello.ts'
import { type Link, type LinkComponents, type LinkLimits, openLink } from './link.ts'
import type { Incoming } from './listener.ts'
import type { RecordSocket } from './record-socket.ts'
import { maxSocketMessageBytes } from './secure-channel.ts'

/** How two nodes come to have a link: a socket, the handshake, the hellos. */
export interface Meeting {
  /** Dials an address that was judged. @throws Error when it does not become a link before the signal fires */
  call(target: DialTarget, expectedPeerId: string | undefined, signal: AbortSignal): Promise<Link>
  /** The same over a socket that is there, such as a circuit. */
  callOver(socket: RecordSocket, side: { expectedPeerId: string; remote: string }, signal: AbortSignal): Promise<Link>
  /** Only proves who is at an address. @throws Error when it is not the expected peer */
  probe(target: DialTarget, expectedPeerId: string, signal: AbortSignal): Promise<void>
  /** Takes a socket that somebody opened. @throws Error when it does not become a link in time */
  answer(incoming: Incoming): Promise<Link>
}

export interface MeetingInit {
  limits: LinkLimits
  /** The 32 bytes of the node's Ed25519 private key. */
  seed: Uint8Array
  /** This node's words to a peer that it sees at an address. */
  hello(observed: string): Hello
}

export interface MeetingComponents extends Pick<LinkComponents, 'onFrame' | 'onUpdate' | 'onClose'> {
  handlers: Handlers
  log: Logger
}

export function createMeeting(init: MeetingInit, components: MeetingComponents): Meeting {
  const { limits, seed } = init

  async function meet(socket: RecordSocket, side: Side, signal: AbortSignal): Promise<Link> {
    const { role, expectedPeerId, remote, observed } = side
    try {
      const established = await establish(socket, { role, seed, expectedPeerId }, signal)
      const direction = role === 'initiator' ? 'outbound' : 'inbound'
      const hello = () => init.hello(observed)
      return await openLink({ limits, direction, remote, hello }, { ...components, socket, established }, signal)
    } catch (error) {
      socket.terminate()
      throw error
    }
  }

  function open(target: DialTarget, signal: AbortSignal): Promise<RecordSocket> {
    return openWebSocket(target, { maxPayload: maxSocketMessageBytes, subprotocols: [subprotocol], signal })
  }

  return {
    async call(target, expectedPeerId, signal) {
      const socket = await open(target, signal)
      const remote = withoutPeerId(target.address)
      return await meet(socket, { role: 'initiator', expectedPeerId, remote, observed: target.ip }, signal)
    },
    callOver: (socket, side, signal) => meet(socket, { ...side, role: 'initiator', observed: '' }, signal),
    async probe(target, expectedPeerId, signal) {
      const socket = await open(target, signal)
      try {
        await establish(socket, { role: 'initiator', seed, expectedPeerId }, signal)
      } finally {
        socket.terminate()
      }
    },
    answer({ socket, remote, observed, signal }) {
      return meet(socket, { role: 'responder', expectedPeerId: undefined, remote, observed }, signal)
    },
  }
}

interface Side {
  role: 'initiator' | 'responder'
  expectedPeerId: string | undefined
  remote: string
  observed: string
}
