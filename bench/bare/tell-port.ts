import type { AddressInfo } from 'node:net'

/** Tells the benchmark where the server of this process listens, and ends with it. */
export function tellPort(server: { address(): AddressInfo | string | null }): void {
  const address = server.address()
  if (address !== null && typeof address !== 'string') process.send?.({ port: address.port })
  process.once('disconnect', () => process.exit())
}
