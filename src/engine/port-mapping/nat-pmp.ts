import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { adopt } from '../../lib/adopt-socket.ts'
import { createDeadline, orAborted } from '../../lib/deadline.ts'
import { type LocalPort, leaseSeconds, type Router } from './router.ts'

/** NAT-PMP (RFC 6886), which is spoken with the default router. */
const routerPort = 5351
const operations = { externalIp: 0, udp: 1, tcp: 2 } as const
/** An answer has the number of its request and this bit. */
const answerBit = 128
const results = [
  '',
  'it does not speak NAT-PMP',
  'it is not allowed to',
  'it has no address outside',
  'it has no free port',
  'unknown request',
]
/** Milliseconds for each attempt (RFC 6886, section 3.1). The specification goes on for a minute. */
const attemptsMs = [250, 500, 1_000, 2_000]

/** The default router of this host, if it speaks NAT-PMP. */
export async function findNatPmpRouter(signal: AbortSignal, { router = defaultRouter } = {}): Promise<Router | undefined> {
  const ip = await router()
  if (ip === undefined) return undefined
  const found = await speakTo(ip, signal).catch(() => undefined)
  if (found === undefined) return undefined
  const { localIp } = found
  return {
    protocol: 'NAT-PMP',
    localIp,
    externalIp: (each) => externalIp(ip, each),
    map: (port, wanted, each) => map(ip, port, { wanted, seconds: leaseSeconds }, each),
    async unmap(port, _external, each) {
      await map(ip, port, { wanted: 0, seconds: 0 }, each)
    },
  }
}

async function speakTo(ip: string, signal: AbortSignal): Promise<{ localIp: string }> {
  const { localIp } = await ask(ip, Buffer.of(0, operations.externalIp), 12, signal)
  return { localIp }
}

async function externalIp(ip: string, signal: AbortSignal): Promise<string> {
  const { answer } = await ask(ip, Buffer.of(0, operations.externalIp), 12, signal)
  return answer.subarray(8, 12).join('.')
}

async function map(
  ip: string,
  { transport, port }: LocalPort,
  to: { wanted: number; seconds: number },
  signal: AbortSignal,
): Promise<number> {
  const request = Buffer.alloc(12)
  request.writeUInt8(operations[transport], 1)
  request.writeUInt16BE(port, 4)
  request.writeUInt16BE(to.wanted, 6)
  request.writeUInt32BE(to.seconds, 8)
  const { answer } = await ask(ip, request, 16, signal)
  return answer.readUInt16BE(10)
}

/** @throws Error when the router refuses or does not answer */
async function ask(ip: string, request: Buffer, answerBytes: number, signal: AbortSignal): Promise<{ answer: Buffer; localIp: string }> {
  const socket = adopt(createSocket('udp4'))
  try {
    // A connected socket receives from the router only.
    socket.connect(routerPort, ip)
    await once(socket, 'connect', { signal })
    const localIp = socket.address().address
    for (const ms of attemptsMs) {
      const answer = await exchange(socket, request, answerBytes, ms, signal)
      if (answer === undefined) continue
      const result = answer.readUInt16BE(2)
      if (result !== 0) throw new Error(`the router refuses: ${results[result] ?? `result ${result}`}`)
      return { answer, localIp }
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
  answerBytes: number,
  ms: number,
  signal: AbortSignal,
): Promise<Buffer | undefined> {
  using deadline = createDeadline(ms, [signal])
  const answered = Promise.withResolvers<Buffer>()
  const onMessage = (answer: Buffer) => {
    const isRefusal = answer.length >= 4 && answer.readUInt16BE(2) !== 0
    if (answer[1] === (request[1] ?? 0) + answerBit && (answer.length >= answerBytes || isRefusal)) answered.resolve(answer)
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

/** The router of the default route, which only Linux tells in a file. Elsewhere UPnP finds routers. */
export async function defaultRouter(path = '/proc/net/route'): Promise<string | undefined> {
  const lines = await readFile(path, 'utf8').then(
    (text) => text.split('\n').slice(1),
    () => [],
  )
  for (const line of lines) {
    const [, destination, router = ''] = line.split('\t')
    // Both are in the byte order of the machine: little endian wherever Node runs.
    if (destination === '00000000' && router !== '00000000' && /^[0-9A-F]{8}$/.test(router)) {
      return [...Buffer.from(router, 'hex')].reverse().join('.')
    }
  }
  return undefined
}
