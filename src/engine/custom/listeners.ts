import type { Limits } from '../../limits.ts'
import { parseAddress } from '../../model/peer.ts'
import { throughRelays } from '../dial/circuit-address.ts'
import { readCertificate } from './certificate.ts'
import { createListener, type Listener, type ListenerComponents } from './link/listener.ts'

export interface ListenersInit {
  listen: string[]
  /** For listening with TLS. */
  tls?: { certFile: string | undefined; keyFile: string | undefined }
  limits: Limits
}

/** The listeners of the configured addresses; not started. @throws StartupError when the certificate is not usable */
export async function createListeners({ listen, tls: files, limits }: ListenersInit, components: ListenerComponents): Promise<Listener[]> {
  const tls = await readCertificate(files)
  const timing = { maxSocketsPerAddressAndSecond: limits.maxInboundConnectionsPerAddress, handshakeTimeoutMs: limits.dialTimeoutMs }
  return listen
    .filter((text) => text !== throughRelays)
    .map((text) => createListener({ address: parseAddress(text), tls, maxSockets: limits.maxConnections * 2, ...timing }, components))
}
