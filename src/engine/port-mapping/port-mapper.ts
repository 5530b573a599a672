import type { Logger } from 'pino'
import { createDeadline } from '../../lib/deadline.ts'
import { createSeldom, sayAgainMs } from '../../lib/seldom.ts'
import { createSingleFlight } from '../../lib/single-flight.ts'
import { isPublicAddress } from '../dial/policy.ts'
import { findNatPmpRouter } from './nat-pmp.ts'
import type { LocalPort, Router } from './router.ts'
import { findUpnpRouter } from './upnp.ts'

/**
 * Has the router of this host's network forward the ports that the node listens on, and renews that until the stop.
 * Everything is repeated every few minutes: a router that was restarted has forgotten the ports, and a host that was
 * moved has another router.
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
  /** The address and port of the router. */
  external: { ip: string; port: number }
}

export interface PortMapperComponents {
  /** The ports that the node listens on, on addresses of private IPv4 networks. */
  ports(): LocalPort[]
  findRouter?: (localIps: string[], signal: AbortSignal) => Promise<Router | undefined>
  onChange(): void
  logger: Logger
}

/** Milliseconds between renewals: a sixth of the lease. */
const renewMs = 600_000
/** Milliseconds for the removal at the stop: a router that is gone must not delay it. */
const removeMs = 1_500
/** Maximum ports: more than the transports of a node. */
const maxPorts = 16

export function createPortMapper(components: PortMapperComponents): PortMapper {
  const { ports, findRouter = findAnyRouter, onChange, logger } = components
  const isDue = createSeldom({ everyMs: sayAgainMs })
  let stopping = new AbortController()
  let timer: NodeJS.Timeout | undefined
  let router: Router | undefined
  let mapped: MappedPort[] = []

  function show(now: MappedPort[]): void {
    const before = JSON.stringify(mapped)
    mapped = now
    if (JSON.stringify(now) === before) return
    logger.info({ ports: now, protocol: router?.protocol }, 'the router forwards other ports than before')
    onChange()
  }

  async function mapAll(signal: AbortSignal): Promise<void> {
    const all = ports().slice(0, maxPorts)
    if (all.length === 0) return show([])
    router ??= await findRouter([...new Set(all.map(({ ip }) => ip))], signal)
    if (router === undefined) return show([])
    const { localIp } = router
    const ip = await router.externalIp(signal)
    if (!isPublicAddress(ip)) {
      if (isDue('private')) logger.info({ ip }, 'the router is behind another one, so its ports are not used')
      return show([])
    }
    const now: MappedPort[] = []
    for (const local of all.filter((each) => each.ip === localIp)) {
      const before = mapped.find((each) => each.transport === local.transport && each.port === local.port)
      try {
        now.push({ ...local, external: { ip, port: await router.map(local, before?.external.port ?? local.port, signal) } })
      } catch (err) {
        signal.throwIfAborted()
        logger[isDue(`${local.transport} ${local.port}`) ? 'warn' : 'debug']({ err, ...local }, 'the router does not forward a port')
      }
    }
    show(now)
  }

  const step = createSingleFlight(async () => {
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

  return {
    start() {
      stopping = new AbortController()
      timer = setInterval(() => void step.run(), renewMs).unref()
      void step.run()
    },
    changed: () => void (timer !== undefined && step.run()),
    async stop() {
      clearInterval(timer)
      timer = undefined
      stopping.abort(new Error('the node was stopped'))
      await step.idle()
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

/** By NAT-PMP where the default router speaks it, which takes one datagram; otherwise by UPnP. */
async function findAnyRouter(localIps: string[], signal: AbortSignal): Promise<Router | undefined> {
  const [natPmp, upnp] = await Promise.all([findNatPmpRouter(signal), findUpnpRouter(localIps, signal).catch(() => undefined)])
  return natPmp !== undefined && localIps.includes(natPmp.localIp) ? natPmp : upnp
}
