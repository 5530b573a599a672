import { readFile } from 'node:fs/promises'
import type { Logger } from 'pino'
import type { Limits } from '../limits.ts'

/**
 * Assumed limit where the system does not report one: below the defaults of macOS and Windows, once Node.js has raised
 * the soft limit.
 */
const assumedDescriptors = 4_096

/**
 * The maximum of open files and sockets of this process. Node.js has raised the soft limit to the hard limit at start.
 */
export async function descriptorLimit(): Promise<number> {
  const text = await readFile('/proc/self/limits', 'utf8').catch(() => '')
  return parseDescriptorLimit(text) ?? assumedDescriptors
}

/** @param text of Linux' /proc/<pid>/limits */
export function parseDescriptorLimit(text: string): number | undefined {
  const soft = /^Max open files\s+(\d+|unlimited)/m.exec(text)?.[1]
  if (soft === undefined) return undefined
  return soft === 'unlimited' ? Number.POSITIVE_INFINITY : Number(soft)
}

/** Maximum descriptors of the database, files, DNS lookups and dials. */
const ownDescriptors = 128
/** Sockets per link and listener: handshakes in progress count too. */
const socketsPerLink = 2
/** Part of the HTTP connections that can be streams; the rest is for requests. */
const streamPart = 3 / 4
/** HTTP connections reserved for this host, so that its probes succeed while all others are taken. */
export const loopbackConnections = 16

type Fitted = Pick<Limits, 'maxConnections' | 'maxHttpConnections' | 'maxHttpConnectionsPerAddress' | 'maxStreamConnections'>

/**
 * Lowers the connection limits so that their sum stays below the descriptor limit of the process. Otherwise a client
 * that takes the last descriptor would stop the listeners, the database and the files.
 * @param init.listeners number of network listeners
 */
export function fitToDescriptors<Of extends Fitted>(limits: Of, init: { descriptors: number; listeners: number }): Of {
  const { descriptors, listeners } = init
  const perLink = socketsPerLink * Math.max(1, listeners)
  const own = Math.min(ownDescriptors, Math.floor(descriptors / 4))
  const maxConnections = Math.min(limits.maxConnections, Math.max(1, Math.floor(descriptors / 4 / perLink)))
  const left = descriptors - own - maxConnections * perLink - loopbackConnections
  // A higher stream limit implies the connections that the streams need.
  const wanted = Math.max(limits.maxHttpConnections, Math.ceil(limits.maxStreamConnections / streamPart))
  const maxHttpConnections = Math.min(wanted, Math.max(1, left))
  // The limit per address shrinks in proportion.
  const share = Math.ceil((limits.maxHttpConnectionsPerAddress * maxHttpConnections) / limits.maxHttpConnections)
  return {
    ...limits,
    maxConnections,
    maxHttpConnections,
    maxHttpConnectionsPerAddress: Math.min(limits.maxHttpConnectionsPerAddress, share),
    maxStreamConnections: Math.min(limits.maxStreamConnections, Math.max(1, Math.floor(maxHttpConnections * streamPart))),
  }
}

/** `fitToDescriptors` for this process; logs lowered limits. */
export async function limitsForSystem(limits: Limits, init: { listeners: number }, components: { logger: Logger }): Promise<Limits> {
  const descriptors = await descriptorLimit()
  const fitted = fitToDescriptors(limits, { descriptors, ...init })
  const { maxConnections, maxHttpConnections, maxStreamConnections } = fitted
  const lowered = (['maxConnections', 'maxHttpConnections', 'maxStreamConnections'] as const).some((name) => fitted[name] < limits[name])
  if (lowered)
    components.logger.warn(
      { descriptors, maxConnections, maxHttpConnections, maxStreamConnections },
      'connection limits lowered to fit the open file limit (ulimit -n)',
    )
  return fitted
}
