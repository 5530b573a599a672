import type { Network } from '../engine/engine.ts'
import { isDirect } from '../engine/reach/link-path.ts'
import type { Metrics } from '../telemetry/metrics.ts'

/** Measures how long peers are linked through a relay before a direct link takes its place, on each network. */
export function watchPaths(
  networks: ReadonlyArray<Pick<Network, 'kind' | 'listen'>>,
  components: { metrics: Pick<Metrics, 'becameDirect'>; now?: () => number },
): void {
  const { metrics, now = () => performance.now() } = components
  for (const { kind, listen } of networks) {
    /** By linked peer. */
    const relayedAt = new Map<string, number>()
    listen((event) => {
      if (event.type === 'peer:disconnect') relayedAt.delete(event.peerId)
      if (event.type !== 'peer:connect' && event.type !== 'peer:update') return
      const { peerId, path } = event.peer
      const since = relayedAt.get(peerId)
      if (!isDirect(path)) {
        if (since === undefined) relayedAt.set(peerId, now())
      } else if (since !== undefined) {
        relayedAt.delete(peerId)
        metrics.becameDirect(kind, (now() - since) / 1_000)
      }
    })
  }
}
