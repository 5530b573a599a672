import { type EngineName, type GatewayProcess, type NodeName, startGateway } from '../test/fixtures/gateway-process.ts'
import { benchEnvironment } from './environment.ts'
import { collectOnSignal } from './settled-memory.ts'
import { temporaryDirectory } from './temporary-directory.ts'

/** From one network to the other, both ways. */
export const directions = [
  { from: 'custom', to: 'libp2p' },
  { from: 'libp2p', to: 'custom' },
] as const
export type Direction = (typeof directions)[number]

/** A bridge, or a gateway of one network, whose settled memory can be measured. */
export async function startNode(resources: AsyncDisposableStack, node: NodeName, bootstrap: string[] = []): Promise<GatewayProcess> {
  const gateway = await startGateway({
    ...benchEnvironment(await temporaryDirectory(resources), node),
    PEERGATE_BOOTSTRAP: bootstrap.join(','),
    NODE_OPTIONS: `--import=${collectOnSignal}`,
  })
  resources.defer(async () => void (await gateway.end('SIGTERM')))
  return gateway
}

export function addressesOn(network: EngineName, { multiaddrs }: GatewayProcess): string[] {
  return multiaddrs.filter((address) => address.includes('/ws/') === (network === 'custom'))
}
