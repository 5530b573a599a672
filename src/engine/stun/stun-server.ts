import { createSocket, type RemoteInfo, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { adopt } from '../../lib/adopt-socket.ts'
import { ipNetwork, plainAddress } from '../../lib/ip-network.ts'
import { createLru } from '../../lib/lru.ts'
import { createTokenBucket } from '../../lib/token-bucket.ts'
import { answerBinding } from './stun-message.ts'

/**
 * Tells peers at which address their packets arrive (STUN, Binding only), so that they need no server of others. The
 * address that a packet claims may be a victim's, so an address gets no more bytes than have come from it. The shortest
 * request, of 20 bytes, has an answer of 32, or 44 with IPv6: its client sends it again after half a second (RFC 8489,
 * section 6.2.1). Peergate's own requests have 40.
 */
export interface StunServer extends AsyncDisposable {
  readonly port: number
}

/** Answers to one address (of IPv6, one /64), and to all. */
export interface StunRates {
  ofOne: { perSecond: number; burst: number }
  ofAll: { perSecond: number; burst: number }
}

/** A peer that gathers candidates sends a few packets, and a gateway does so for few peers at a time. */
const defaultRates: StunRates = { ofOne: { perSecond: 5, burst: 50 }, ofAll: { perSecond: 500, burst: 1_000 } }
/** Maximum bytes that an address may get more than its last request had. */
const maxOwedBytes = 600
/** Maximum addresses whose requests are counted, some 200 bytes each. */
const maxAddresses = 2_000

/** Binds the port on all interfaces; 0 picks a free one. @throws Error when the port is taken */
export async function startStunServer(
  init: { port: number; rates?: StunRates },
  components: { now?: () => number } = {},
): Promise<StunServer> {
  const { port, rates = defaultRates } = init
  const { now = () => performance.now() } = components
  const all = createTokenBucket(rates.ofAll)
  const clientOf = createLru({ max: maxAddresses }, () => ({ answers: createTokenBucket(rates.ofOne), owedBytes: 0 }))
  const socket = await bind(port)

  socket.on('message', (packet, { address, port: fromPort }: RemoteInfo) => {
    const ip = plainAddress(address)
    const answer = answerBinding(packet, { ip, port: fromPort })
    if (answer === undefined || fromPort === 0) return
    const client = clientOf(ipNetwork(ip))
    client.owedBytes = Math.min(maxOwedBytes, client.owedBytes + packet.length)
    if (client.owedBytes < answer.length || !client.answers.take(now()) || !all.take(now())) return
    client.owedBytes -= answer.length
    socket.send(answer, fromPort, address, () => undefined)
  })

  return {
    port: socket.address().port,
    async [Symbol.asyncDispose]() {
      const closed = once(socket, 'close')
      socket.close()
      await closed
    },
  }
}

/** For IPv6 and IPv4, or IPv4 alone on a host without IPv6. */
async function bind(port: number): Promise<Socket> {
  return await listen(adopt(createSocket({ type: 'udp6' })), port).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EAFNOSUPPORT' && error.code !== 'EINVAL') throw error
    return listen(adopt(createSocket({ type: 'udp4' })), port)
  })
}

async function listen(socket: Socket, port: number): Promise<Socket> {
  socket.bind(port)
  try {
    await once(socket, 'listening')
  } catch (error) {
    socket.close()
    throw error
  }
  return socket
}
