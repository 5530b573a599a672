import { readFile } from 'node:fs/promises'
import type { Logger } from 'pino'
import type { Limits } from '../limits.ts'

/** Where the system does not tell: fewer than macOS and Windows allow a process by default, once Node.js has raised what it may. */
const assumedDescriptors = 4_096

/** How many files and sockets this process may have open at once. Node.js has raised the soft limit to the hard one by then. */
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

/** What the database, files, look-ups of names and dials have open, at most. */
const ownDescriptors = 128
/** A listener takes this many sockets for each link, since those that are shaking hands count too. */
const socketsPerLink = 2
/** The part of the HTTP connections that may be streams; the rest are for requests. */
const streamPart = 3 / 4
/** HTTP connections that are kept for this host, so that its probes get through while all others are taken. */
export const loopbackConnections = 16

type Fitted = Pick<Limits, 'maxConnections' | 'maxHttpConnections' | 'maxHttpConnectionsPerAddress' | 'maxStreamConnections'>

/**
 * Lowers the limits of connections so that all of them together stay below what the system lets this process have open: otherwise whoever
 * takes the last descriptor stops the listeners, the database and the files with it.
 * @param listeners of the network
 */
export function fitToDescriptors<Of extends Fitted>(limits: Of, init: { descriptors: number; listeners: number }): Of {
  const { descriptors, listeners } = init
  const perLink = socketsPerLink * Math.max(1, listeners)
  const own = Math.min(ownDescriptors, Math.floor(descriptors / 4))
  const maxConnections = Math.min(limits.maxConnections, Math.max(1, Math.floor(descriptors / 4 / perLink)))
  const left = descriptors - own - maxConnections * perLink - loopbackConnections
  // Who allows more streams allows the connections that they need.
  const wanted = Math.max(limits.maxHttpConnections, Math.ceil(limits.maxStreamConnections / streamPart))
  const maxHttpConnections = Math.min(wanted, Math.max(1, left))
  // A lowered cap is shared out as the one that was set.
  const share = Math.ceil((limits.maxHttpConnectionsPerAddress * maxHttpConnections) / limits.maxHttpConnections)
  return {
    ...limits,
    maxConnections,
    maxHttpConnections,
    maxHttpConnectionsPerAddress: Math.min(limits.maxHttpConnectionsPerAddress, share),
    maxStreamConnections: Math.min(limits.maxStreamConnections, Math.max(1, Math.floor(maxHttpConnections * streamPart))),
  }
}

/** The same, with what was lowered in the log. */
export async function limitsForSystem(limits: Limits, init: { listeners: number }, components: { logger: Logger }): Promise<Limits> {
  const descriptors = await descriptorLimit()
  const fitted = fitToDescriptors(limits, { descriptors, ...init })
  const { maxConnections, maxHttpConnections, maxStreamConnections } = fitted
  const lowered = (['maxConnections', 'maxHttpConnections', 'maxStreamConnections'] as const).some((name) => fitted[name] < limits[name])
  if (lowered)
    components.logger.warn(
      { descriptors, maxConnections, maxHttpConnections, maxStreamConnections },
      'the system lets this process have few files open (ulimit -n), so it takes fewer connections',
    )
  return fitted
}
