import { StartupError } from '../lib/startup-error.ts'

/** The listeners, and the variables that configure their addresses. */
export const listeners = {
  engine: { who: 'The node', variables: 'PEERGATE_LISTEN' },
  http: { who: 'HTTP', variables: 'PEERGATE_HTTP_HOST, PEERGATE_HTTP_PORT' },
  metrics: { who: 'HTTP of the metrics', variables: 'PEERGATE_HTTP_HOST, PEERGATE_METRICS_PORT' },
} as const

/** The reason for a failed listen and its remedy, by the system's error code. */
const reasons: Record<string, string> = {
  EADDRINUSE: 'another program has the port; stop it, or choose another port',
  EADDRNOTAVAIL: 'this machine has no such address; choose one that it has, or 0.0.0.0 for all',
  EACCES: 'the system keeps the port from the user that the gateway runs as; choose one above 1023',
  ENOTFOUND: 'the name has no address; choose an address of this machine',
  EAI_AGAIN: 'the name could not be looked up; choose an address of this machine',
  EAFNOSUPPORT: 'this machine does not have that kind of address; choose another',
}

/**
 * Thrown by js-libp2p when it cannot listen. Each line of the message has an address, followed by the error of its
 * transport.
 */
const listenErrorName = 'UnsupportedListenAddressesError'

/**
 * Starts a listener, and explains a failure to the operator.
 * @param init.who the subject of the error message
 * @param init.variables the variables that configure the address
 * @throws StartupError when it cannot listen on the address
 */
export async function listening(init: { who: string; variables: string }, start: () => Promise<void>): Promise<void> {
  try {
    await start()
  } catch (cause) {
    const problem = problemOf(cause)
    if (problem === undefined) throw cause
    throw new StartupError(`${init.who} can't listen on ${problem.where}: ${problem.reason} (${init.variables}).`, { cause })
  }
}

function problemOf(error: unknown): { where: string; reason: string } | undefined {
  if (!(error instanceof Error)) return undefined
  if (error.name === listenErrorName) {
    const [, where = 'its addresses', said = error.message] = /^\s*(\/\S+): (?:Error: )?(.*)$/m.exec(error.message) ?? []
    const code = /\b(E[A-Z_]{4,})\b/.exec(said)?.[1]
    return { where, reason: reasons[code ?? ''] ?? said }
  }
  if (!('syscall' in error && ['listen', 'bind', 'getaddrinfo'].includes(String(error.syscall)))) return undefined
  const { address, hostname, port } = error as NodeJS.ErrnoException & { address?: string; hostname?: string; port?: number }
  const where = [address ?? hostname, port].filter((part) => part !== undefined).join(':')
  return { where, reason: reasons[String('code' in error && error.code)] ?? error.message }
}
