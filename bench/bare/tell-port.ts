import type { AddressInfo } from 'node:net'

/** Reports the port of this process to the benchmark; the process ends with the benchmark. */
export function tellPort(server: { address(): AddressInfo | string | null }): void {
  const address = server.address()
  if (address !== null && typeof address !== 'string') process.send?.({ port: address.port })
  process.once('disconnect', () => process.exit())
}
