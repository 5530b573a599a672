import { createHmac } from 'node:crypto'
import { isIPv4, isIPv6 } from 'node:net'
import { askRouter, type RouterAddress } from './datagrams.ts'
import { createEpoch } from './epoch.ts'
import { type LocalPort, leaseSeconds, type MappedOutside, type Router } from './router.ts'

/**
 * PCP (RFC 6887), the successor of NAT-PMP on the same port. With IPv4 it forwards ports, with IPv6 it opens the firewall
 * for them.
 */
const version = 2
const operations = { announce: 0, map: 1 } as const
const answerBit = 128
const protocols = { tcp: 6, udp: 17 } as const
const headerBytes = 24
const mapBytes = 36
const nonceBytes = 12
/** Maximum bytes of a message (section 7). */
const maxBytes = 1_100
/** Result codes (section 7.4). */
const results = [
  '',
  'it does not speak this version of PCP',
  'it is not allowed to',
  'it does not understand the request',
  'it does not forward ports',
  'it does not know an option',
  'it does not understand an option',
  'it has no network outside',
  'it has no free port',
  'it does not forward this protocol',
  'the host has too many ports',
  'it cannot give an address or port outside',
  'there is another router between',
  'too many peers',
]

export interface PcpInit {
  /** The router's address. */
  router: () => Promise<string | undefined>
  /**
   * Secret of this node. Nonces are made of it: only who knows the nonce of a port can renew or remove it, so a node that
   * has crashed must find the same again.
   */
  secret: Uint8Array
}

/** The default router of this host, if it speaks PCP. */
export async function findPcpRouter({ router, secret }: PcpInit, signal: AbortSignal): Promise<Router | undefined> {
  const ip = await router()
  if (ip === undefined) return undefined
  const epoch = createEpoch()
  const announce = async (each: AbortSignal) =>
    await ask({ ip }, (from) => requestOf(operations.announce, 0, from), isAnswerTo(operations.announce), each)

  const map = async (port: LocalPort, wanted: { external: number; seconds: number }, each: AbortSignal) => {
    const body = mapOf(port, wanted.external, nonceOf(port, secret))
    const request = (from: string) => Buffer.concat([requestOf(operations.map, wanted.seconds, from), body])
    const isAnswer = isAnswerTo(operations.map)
    // Section 11.4: an answer is about the port of the request, and has its nonce.
    const isThis = (answer: Buffer) => isAnswer(answer) && answer.subarray(headerBytes, headerBytes + 18).equals(body.subarray(0, 18))
    const { answer } = await ask({ ip, from: port.ip }, request, isThis, each)
    return answer
  }

  const found = await announce(signal).catch(() => undefined)
  if (found === undefined) return undefined
  const { localIp } = found
  epoch.told(epochOf(found.answer))
  return {
    protocol: 'PCP',
    serves: (each) => (isIPv6(ip) ? isIPv6(each) : each === localIp),
    isRestarted: async (each) => epoch.told(epochOf((await announce(each)).answer)),
    async map(port, external, each) {
      return mappedIn(await map(port, { external, seconds: leaseSeconds }, each))
    },
    async unmap(port, external, each) {
      await map(port, { external, seconds: 0 }, each)
    },
  }
}

/** @throws Error when the router refuses or does not answer */
async function ask(
  to: RouterAddress,
  request: (from: string) => Buffer,
  accepts: (answer: Buffer) => boolean,
  signal: AbortSignal,
): Promise<{ answer: Buffer; localIp: string }> {
  const asked = await askRouter(to, request, accepts, signal)
  const { answer } = asked
  const result = answer[0] === version ? (answer[3] ?? 0) : 1
  if (result !== 0) throw new Error(`the router refuses: ${results[result] ?? `result ${result}`}`)
  return asked
}

/** A router that speaks NAT-PMP only answers in its own version, and so shorter (RFC 6886, section 3.5). */
function isAnswerTo(operation: number): (answer: Buffer) => boolean {
  const bytes = headerBytes + (operation === operations.map ? mapBytes : 0)
  return (answer) => {
    if (answer[0] === 0) return operation === operations.announce && answer.length >= 4
    const isWhole = answer.length >= bytes && answer.length <= maxBytes && answer.length % 4 === 0
    return answer[0] === version && answer[1] === operation + answerBit && isWhole
  }
}

function epochOf(answer: Buffer): number {
  return answer.readUInt32BE(8)
}

function requestOf(operation: number, seconds: number, localIp: string): Buffer {
  const header = Buffer.alloc(8)
  header.writeUInt8(version, 0)
  header.writeUInt8(operation, 1)
  header.writeUInt32BE(seconds, 4)
  return Buffer.concat([header, bytesOf(localIp)])
}

function mapOf({ transport, port, ip }: LocalPort, external: number, nonce: Buffer): Buffer {
  const body = Buffer.alloc(20)
  nonce.copy(body)
  body.writeUInt8(protocols[transport], 12)
  body.writeUInt16BE(port, 16)
  body.writeUInt16BE(external, 18)
  return Buffer.concat([body, bytesOf(isIPv6(ip) ? '::' : '0.0.0.0')])
}

/** @throws Error */
function mappedIn(answer: Buffer): MappedOutside {
  const port = answer.readUInt16BE(headerBytes + 18)
  if (port === 0) throw new Error('the router gives no port outside')
  return { ip: textOf(answer.subarray(headerBytes + 20, headerBytes + mapBytes)), port, seconds: answer.readUInt32BE(4) }
}

function nonceOf({ transport, ip, port }: LocalPort, secret: Uint8Array): Buffer {
  return createHmac('sha256', secret).update(`PCP ${transport} ${ip} ${port}`).digest().subarray(0, nonceBytes)
}

/** IPv4 addresses are sent as IPv6 ones (section 5). */
const mappedPrefix = Buffer.from('00000000000000000000ffff', 'hex')

function bytesOf(ip: string): Buffer {
  if (isIPv4(ip)) return Buffer.concat([mappedPrefix, Buffer.from(ip.split('.').map(Number))])
  const [left = '', right] = (ip.split('%')[0] ?? '').split('::')
  const groups = (text = '') => text.split(':').filter((group) => group !== '')
  const [before, after] = [groups(left), groups(right)]
  const all = right === undefined ? before : [...before, ...Array(8 - before.length - after.length).fill('0'), ...after]
  return Buffer.from(all.map((group) => group.padStart(4, '0')).join(''), 'hex')
}

function textOf(bytes: Buffer): string {
  if (bytes.subarray(0, 12).equals(mappedPrefix)) return bytes.subarray(12).join('.')
  const groups = bytes.toString('hex').match(/.{4}/g) ?? []
  return new URL(`http://[${groups.join(':')}]`).hostname.slice(1, -1)
}
