import type { Logger } from 'pino'
import { createDeadline } from '../../lib/deadline.ts'
import { createSeldom, sayAgainMs } from '../../lib/seldom.ts'
import { createSingleFlight } from '../../lib/single-flight.ts'
import { isPublicAddress } from '../dial/policy.ts'
import { type LocalPort, leaseSeconds, type Router } from './router.ts'

/**
 * Has a router of this host's network forward the ports that the node listens on, or a firewall let packets to them
 * through, and renews that until the stop. Everything is repeated every few minutes, since a host that was moved has
 * another router. A router that says that it was restarted is asked again within a minute.
 */
export interface PortMapper {
  start(): void
  /** Removes the forwarded ports from the router. */
  stop(): Promise<void>
  /** The ports have changed. */
  changed(): void
  readonly mapped: MappedPort[]
}

export interface MappedPort extends LocalPort {
  /** The address and port of the router; with IPv6 those of the port itself. */
  external: { ip: string; port: number }
}

export interface PortMapperComponents {
  /** The ports that the node listens on, on addresses that such a router serves. */
  ports(): LocalPort[]
  findRouter(localIps: string[], signal: AbortSignal): Promise<Router | undefined>
  onChange(): void
  now?: () => number
  logger: Logger
}

/** Milliseconds between renewals at most: a sixth of the lease. A shorter lease is renewed when half of it is over. */
const renewMs = 600_000
/** Milliseconds between looks at the router, and so between two renewals at least. */
export const lookMs = 60_000
/** Milliseconds for the removal at the stop: a router that is gone must not delay it. */
const removeMs = 1_500
/** Maximum ports: more than the transports of a node. */
const maxPorts = 16

export function createPortMapper(components: PortMapperComponents): PortMapper {
  const { ports, findRouter, onChange, now = () => performance.now(), logger } = components
  const isDue = createSeldom({ everyMs: sayAgainMs })
  let stopping = new AbortController()
  let timer: NodeJS.Timeout | undefined
  let router: Router | undefined
  let mapped: MappedPort[] = []
  /** When the ports are renewed, by the monotonic clock. */
  let renewAt = 0

  function show(next: MappedPort[]): void {
    const before = JSON.stringify(mapped)
    mapped = next
    if (JSON.stringify(next) === before) return
    logger.info({ ports: next, protocol: router?.protocol }, 'the router forwards other ports than before')
    onChange()
  }

  function isUsable(ip: string): boolean {
    if (isPublicAddress(ip)) return true
    if (isDue('private')) logger.info({ ip }, 'the router is behind another one, so its ports are not used')
    return false
  }

  /** Undefined when the address outside is of no use. */
  async function mapOne(from: Router, local: LocalPort, outside: string | undefined, signal: AbortSignal): Promise<MappedPort | undefined> {
    const before = mapped.find((each) => each.transport === local.transport && each.ip === local.ip && each.port === local.port)
    const { ip = outside ?? '', port, seconds = leaseSeconds } = await from.map(local, before?.external.port ?? local.port, signal)
    renewAt = Math.min(renewAt, now() + (seconds * 1_000) / 2)
    if (isUsable(ip)) return { ...local, external: { ip, port } }
    await from.unmap(local, port, signal)
    return undefined
  }

  async function mapAll(signal: AbortSignal): Promise<void> {
    renewAt = now() + renewMs
    const all = ports().slice(0, maxPorts)
    if (all.length === 0) return show([])
    router ??= await findRouter([...new Set(all.map(({ ip }) => ip))], signal)
    if (router === undefined) return show([])
    const from = router
    const outside = await from.externalIp?.(signal)
    if (outside !== undefined && !isUsable(outside)) return show([])
    const next: MappedPort[] = []
    for (const local of all.filter(({ ip }) => from.serves(ip))) {
      try {
        next.push(...[await mapOne(from, local, outside, signal)].filter((each) => each !== undefined))
      } catch (err) {
        signal.throwIfAborted()
        const name = `${local.transport} ${local.ip} ${local.port}`
        logger[isDue(name) ? 'warn' : 'debug']({ err, ...local }, 'the router does not forward a port')
      }
    }
    show(next)
  }

  const renew = createSingleFlight(async () => {
    const { signal } = stopping
    try {
      await mapAll(signal)
    } catch (err) {
      if (signal.aborted) return
      router = undefined
      logger[isDue('failed') ? 'warn' : 'debug']({ err }, 'the router does not answer; it is asked again in ten minutes')
      show([])
    }
  })

  /** A router that does not answer now is renewed with when that is due. */
  const look = createSingleFlight(async () => {
    const isRestarted = mapped.length > 0 && (await router?.isRestarted?.(stopping.signal).catch(() => false)) === true
    if (isRestarted) logger.info({ protocol: router?.protocol }, 'the router was restarted and is asked again to forward the ports')
    if (!stopping.signal.aborted && (isRestarted || now() >= renewAt)) await renew.run()
  })

  return {
    start() {
      stopping = new AbortController()
      timer = setInterval(() => void look.run(), lookMs).unref()
      void renew.run()
    },
    changed: () => void (timer !== undefined && renew.run()),
    async stop() {
      clearInterval(timer)
      timer = undefined
      stopping.abort(new Error('the node was stopped'))
      await look.idle()
      await renew.idle()
      using deadline = createDeadline(removeMs, [])
      const leaving = router
      const removed = await Promise.allSettled(mapped.map(({ external, ...port }) => leaving?.unmap(port, external.port, deadline.signal)))
      for (const each of removed) if (each.status === 'rejected') logger.debug({ err: each.reason }, 'a forwarded port was not removed')
      router = undefined
      mapped = []
    },
    get mapped() {
      return mapped
    },
  }
}
