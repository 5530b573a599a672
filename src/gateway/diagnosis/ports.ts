import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer } from 'node:net'
import type { Config } from '../../config/config.ts'
import { adopt, adoptSocketsOf } from '../../lib/adopt-socket.ts'
import type { Finding } from '../../model/finding.ts'
import { parseAddress } from '../../model/peer.ts'

/** A port that a gateway needs, and the variable that sets it. */
export interface NeededPort {
  protocol: 'tcp' | 'udp'
  host: string
  port: number
  variable: string
}

export function neededPorts({ http, engine }: Pick<Config, 'http' | 'engine'>): NeededPort[] {
  const { host, port, metricsPort } = http
  const ofHttp = [
    { protocol: 'tcp' as const, host, port, variable: 'PEERGATE_HTTP_PORT' },
    ...(metricsPort === undefined ? [] : [{ protocol: 'tcp' as const, host, port: metricsPort, variable: 'PEERGATE_METRICS_PORT' }]),
  ]
  return [...ofHttp, ...engine.listen.flatMap(portOf)].filter(({ port }) => port !== 0)
}

function portOf(address: string): NeededPort[] {
  const components = parseAddress(address).getComponents()
  const host = components.find(({ name }) => name === 'ip4' || name === 'ip6')?.value
  const transport = components.find(({ name }) => name === 'tcp' || name === 'udp')
  if (host === undefined || transport?.value === undefined) return []
  return [{ protocol: transport.name === 'udp' ? 'udp' : 'tcp', host, port: Number(transport.value), variable: 'PEERGATE_LISTEN' }]
}

const fixes: Record<string, (variable: string) => string> = {
  EADDRINUSE: (variable) => `Stop the program that has the port, or set ${variable} to another one.`,
  EADDRNOTAVAIL: (variable) =>
    `This machine has no such address: correct ${variable === 'PEERGATE_LISTEN' ? variable : 'PEERGATE_HTTP_HOST'}.`,
  EACCES: (variable) => `Set ${variable} to a port above 1023, or allow the program to use lower ones.`,
}

/**
 * Tries to listen on each port.
 * @param isRunning whether the gateway of this configuration runs, which has its ports
 */
export async function portFindings(ports: NeededPort[], { isRunning }: { isRunning: boolean }): Promise<Finding[]> {
  if (isRunning) return [{ check: 'ports', state: 'ok', detail: 'The gateway runs and has its ports.' }]
  const tried = await Promise.all(ports.map(async (port) => ({ port, code: await failure(port) })))
  const failed = tried.flatMap(({ port: { protocol, host, port, variable }, code }): Finding[] => {
    if (code === undefined) return []
    const fix = fixes[code]?.(variable) ?? `Set ${variable} to another port.`
    return [{ check: 'ports', state: 'problem', detail: `${host} port ${port} (${protocol}) can't be listened on: ${code}.`, fix }]
  })
  if (failed.length > 0) return failed
  return [
    { check: 'ports', state: 'ok', detail: `The ports are free: ${ports.map(({ port, protocol }) => `${port}/${protocol}`).join(', ')}.` },
  ]
}

/** The code of the error, if the port can't be listened on. */
async function failure({ protocol, host, port }: NeededPort): Promise<string | undefined> {
  const socket =
    protocol === 'udp'
      ? adopt(createSocket(host.includes(':') ? 'udp6' : 'udp4'))
      : // Nobody who connects meanwhile may keep it from closing.
        adoptSocketsOf(createServer((connection) => connection.destroy()))
  try {
    const listening = once(socket, 'listening')
    if ('bind' in socket) socket.bind(port, host)
    else socket.listen({ port, host, ipv6Only: true })
    await listening
  } catch (error) {
    return String(Object(error)['code'])
  }
  const closed = once(socket, 'close')
  socket.close()
  await closed
  return undefined
}
