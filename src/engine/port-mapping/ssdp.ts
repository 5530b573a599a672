import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { isIPv6 } from 'node:net'
import { networkInterfaces } from 'node:os'
import { adopt } from '../../lib/adopt-socket.ts'

/** Searches routers by SSDP (UPnP Device Architecture 1.1, section 1.3; with IPv6 annex A). */
const groups = { ip4: '239.255.255.250', ip6: 'ff02::c' }
const groupPort = 1900
const targets = [1, 2].map((version) => `urn:schemas-upnp-org:device:InternetGatewayDevice:${version}`)
/** Milliseconds between repetitions: datagrams get lost. */
const againMs = 1_000

/** A device that has answered, and this host's address in its network. */
export interface FoundDevice {
  /** Where it describes itself: on the address that it answered from. */
  location: URL
  localIp: string
}

/**
 * The first router that answers on one of these addresses of this host; undefined when the signal fires before.
 */
export async function searchRouter(localIps: string[], signal: AbortSignal): Promise<FoundDevice | undefined> {
  const found = Promise.withResolvers<FoundDevice | undefined>()
  const sockets = localIps.map((localIp) => open(localIp, (location) => found.resolve({ location, localIp })))
  const search = () => {
    for (const { socket, group } of sockets) for (const target of targets) ask(socket, group, target)
  }
  const timer = setInterval(search, againMs)
  signal.addEventListener('abort', () => found.resolve(undefined), { once: true })
  try {
    if (signal.aborted || localIps.length === 0) return undefined
    await Promise.all(sockets.map(({ socket }) => once(socket, 'listening', { signal })))
    search()
    return await found.promise
  } catch {
    return undefined
  } finally {
    clearInterval(timer)
    for (const { socket } of sockets) socket.close()
  }
}

interface Asking {
  socket: Socket
  group: string
}

function open(localIp: string, onFound: (location: URL) => void): Asking {
  const socket = adopt(createSocket(isIPv6(localIp) ? 'udp6' : 'udp4'))
  socket.on('message', (message, { address }) => {
    const location = locationIn(message.toString('latin1'), address)
    if (location !== undefined) onFound(location)
  })
  socket.bind(0, localIp)
  return { socket, group: isIPv6(localIp) ? `${groups.ip6}%${interfaceOf(localIp)}` : groups.ip4 }
}

/** A group of the local link is one of each interface. */
function interfaceOf(localIp: string): string | undefined {
  return Object.entries(networkInterfaces()).find(([, all = []]) => all.some(({ address }) => address === localIp))?.[0]
}

function ask(socket: Socket, group: string, target: string): void {
  const host = isIPv6(group) ? `[${groups.ip6}]` : group
  const lines = ['M-SEARCH * HTTP/1.1', `HOST: ${host}:${groupPort}`, 'MAN: "ssdp:discover"', 'MX: 1', `ST: ${target}`, '', '']
  // An interface may have disappeared.
  socket.send(lines.join('\r\n'), groupPort, group, () => undefined)
}

/**
 * The location in the answer of a router. Only one on the address that the answer came from is taken: no host of the
 * network has this gateway send requests to another.
 */
export function locationIn(answer: string, from: string): URL | undefined {
  const [status = '', ...lines] = answer.split('\r\n')
  const headers = new Map(lines.map((line) => [line.split(':')[0]?.trim().toLowerCase() ?? '', line.slice(line.indexOf(':') + 1).trim()]))
  if (!status.startsWith('HTTP/1.1 200') || !targets.includes(headers.get('st') ?? '')) return undefined
  const location = URL.parse(headers.get('location') ?? '')
  return location?.protocol === 'http:' && location.hostname === (isIPv6(from) ? `[${from}]` : from) ? location : undefined
}
