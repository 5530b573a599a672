import type { Logger } from 'pino'
import type { PortMapper } from './port-mapper.ts'
import type { LocalPort } from './router.ts'

/** The ports that routers forward to this node while it runs, where the configuration wants any. */
export interface RouterPorts extends Pick<PortMapper, 'mapped' | 'stop'> {
  start(): void
}

export interface RouterPortsInit {
  isOn: boolean
  /** A secret of this node, of which routers are shown keyed hashes; see `findPcpRouter`. */
  secret: Uint8Array
}

export function createRouterPorts(
  { isOn, secret }: RouterPortsInit,
  components: { ports(): LocalPort[]; onChange(): void; logger: Logger },
): RouterPorts {
  const { logger } = components
  let loading: Promise<PortMapper> | undefined
  let running: PortMapper | undefined

  /** Not loaded where it is not wanted, and after everything that a start waits for. */
  async function load(): Promise<PortMapper> {
    const { createPortMapping } = await import('./port-mapping.ts')
    running = createPortMapping({ secret }, components)
    running.start()
    return running
  }

  return {
    start() {
      if (!isOn) return
      loading = load()
      loading.catch((err: unknown) => logger.warn({ err }, 'the ports of the router cannot be used'))
    },
    async stop() {
      const stopping = loading
      loading = undefined
      await (await stopping?.catch(() => undefined))?.stop()
      running = undefined
    },
    get mapped() {
      return running?.mapped ?? []
    },
  }
}
