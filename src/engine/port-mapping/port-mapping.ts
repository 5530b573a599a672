import type { Logger } from 'pino'
import { isLoopbackAddress, isPublicAddress } from '../dial/policy.ts'
import { createFindFirewall, createFindRouter, type FindRouter } from './find-router.ts'
import { createPortMapper, type PortMapper } from './port-mapper.ts'
import type { LocalPort } from './router.ts'

/**
 * The ports of this node at the edge of its network: those on private IPv4 addresses, which a router forwards, and those
 * on public IPv6 addresses, which a firewall lets packets through to.
 */
export function createPortMapping(
  /** A secret of this node; see `findPcpRouter`. */
  init: { secret: Uint8Array },
  components: {
    /** The ports that the node listens on. */
    ports(): LocalPort[]
    onChange(): void
    logger: Logger
    findRouter?: FindRouter
    findFirewall?: FindRouter
  },
): PortMapper {
  const { onChange, logger, findRouter = createFindRouter(init), findFirewall = createFindFirewall(init) } = components
  const isForwarded = ({ ip }: LocalPort) => !ip.includes(':') && !isPublicAddress(ip) && !isLoopbackAddress(ip)
  const isLetThrough = ({ ip }: LocalPort) => ip.includes(':') && isPublicAddress(ip)
  /** Several addresses may have one port, such as those of TCP and of WebSocket. */
  const ports = () => [...new Map(components.ports().map((each) => [`${each.transport} ${each.ip} ${each.port}`, each])).values()]
  const mappers = [
    createPortMapper({ ports: () => ports().filter(isForwarded), findRouter, onChange, logger }),
    createPortMapper({ ports: () => ports().filter(isLetThrough), findRouter: findFirewall, onChange, logger }),
  ]
  return {
    start() {
      for (const mapper of mappers) mapper.start()
    },
    async stop() {
      await Promise.all(mappers.map((mapper) => mapper.stop()))
    },
    changed() {
      for (const mapper of mappers) mapper.changed()
    },
    get mapped() {
      return mappers.flatMap(({ mapped }) => mapped)
    },
  }
}
