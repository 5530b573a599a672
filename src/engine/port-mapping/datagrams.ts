import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { isIPv6 } from 'node:net'
import { adopt } from '../../lib/adopt-socket.ts'
import { createDeadline, orAborted } from '../../lib/deadline.ts'

/** Port of routers that speak NAT-PMP or PCP (RFC 6886, RFC 6887). */
const routerPort = 5351
/** Milliseconds for each attempt (RFC 6886, section 3.1). The specification goes on for a minute. */
const attemptsMs = [250, 500, 1_000, 2_000]

/** A router, and the address of this host to ask from; by default the one that the system chooses. */
export interface RouterAddress {
  ip: string
  from?: string
}

/**
 * Asks a router; the request is made for the address that it leaves from. What `accepts` refuses is not taken for the
 * answer.
 * @throws Error when the router does not answer
 */
export async function askRouter(
  { ip, from }: RouterAddress,
  request: (localIp: string) => Buffer,
  accepts: (answer: Buffer) => boolean,
  signal: AbortSignal,
): Promise<{ answer: Buffer; localIp: string }> {
  const socket = adopt(createSocket(isIPv6(ip) ? 'udp6' : 'udp4'))
  try {
    if (from !== undefined) {
      socket.bind(0, from)
      await once(socket, 'listening', { signal })
    }
    // A connected socket receives from the router only.
    socket.connect(routerPort, ip)
    await once(socket, 'connect', { signal })
    const localIp = socket.address().address
    for (const ms of attemptsMs) {
      const answer = await exchange(socket, request(localIp), { accepts, ms, signal })
      if (answer !== undefined) return { answer, localIp }
    }
    throw new Error('the router does not answer')
  } finally {
    socket.close()
  }
}

/** One attempt: the answer to the request, or undefined. */
async function exchange(
  socket: Socket,
  request: Buffer,
  { accepts, ms, signal }: { accepts: (answer: Buffer) => boolean; ms: number; signal: AbortSignal },
): Promise<Buffer | undefined> {
  using deadline = createDeadline(ms, [signal])
  const answered = Promise.withResolvers<Buffer>()
  const onMessage = (answer: Buffer) => {
    if (accepts(answer)) answered.resolve(answer)
  }
  socket.on('message', onMessage)
  try {
    socket.send(request)
    return await orAborted(answered.promise, deadline.signal)
  } catch {
    signal.throwIfAborted()
    return undefined
  } finally {
    socket.off('message', onMessage)
  }
}
