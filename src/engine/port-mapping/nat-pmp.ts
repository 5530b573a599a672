import { askRouter } from './datagrams.ts'
import { defaultRouter } from './default-routers.ts'
import { createEpoch } from './epoch.ts'
import { type LocalPort, leaseSeconds, type MappedOutside, type Router } from './router.ts'

/** NAT-PMP (RFC 6886), which is spoken with the default router. */
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

/** The default router of this host, if it speaks NAT-PMP. */
export async function findNatPmpRouter(signal: AbortSignal, { router = defaultRouter } = {}): Promise<Router | undefined> {
  const ip = await router()
  if (ip === undefined) return undefined
  const epoch = createEpoch()
  const found = await askOutside(ip, signal).catch(() => undefined)
  if (found === undefined) return undefined
  epoch.told(epochOf(found.answer))
  return {
    protocol: 'NAT-PMP',
    serves: (localIp) => localIp === found.localIp,
    externalIp: async (each) => (await askOutside(ip, each)).answer.subarray(8, 12).join('.'),
    isRestarted: async (each) => epoch.told(epochOf((await askOutside(ip, each)).answer)),
    map: (port, wanted, each) => map(ip, port, { wanted, seconds: leaseSeconds }, each),
    async unmap(port, _external, each) {
      await map(ip, port, { wanted: 0, seconds: 0 }, each)
    },
  }
}

async function askOutside(ip: string, signal: AbortSignal): Promise<{ answer: Buffer; localIp: string }> {
  return await ask(ip, Buffer.of(0, operations.externalIp), 12, signal)
}

async function map(
  ip: string,
  { transport, port }: LocalPort,
  to: { wanted: number; seconds: number },
  signal: AbortSignal,
): Promise<MappedOutside> {
  const request = Buffer.alloc(12)
  request.writeUInt8(operations[transport], 1)
  request.writeUInt16BE(port, 4)
  request.writeUInt16BE(to.wanted, 6)
  request.writeUInt32BE(to.seconds, 8)
  const { answer } = await ask(ip, request, 16, signal)
  return { port: answer.readUInt16BE(10), seconds: answer.readUInt32BE(12) }
}

/** @throws Error when the router refuses or does not answer */
async function ask(ip: string, request: Buffer, answerBytes: number, signal: AbortSignal): Promise<{ answer: Buffer; localIp: string }> {
  const isAnswer = (answer: Buffer) => {
    const isRefusal = answer.length >= 4 && answer.readUInt16BE(2) !== 0
    return answer[1] === (request[1] ?? 0) + answerBit && (answer.length >= answerBytes || isRefusal)
  }
  const asked = await askRouter({ ip }, () => request, isAnswer, signal)
  const result = asked.answer.readUInt16BE(2)
  if (result !== 0) throw new Error(`the router refuses: ${results[result] ?? `result ${result}`}`)
  return asked
}

function epochOf(answer: Buffer): number {
  return answer.readUInt32BE(4)
}
