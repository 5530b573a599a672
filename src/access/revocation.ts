import type { Logger } from 'pino'
import { createLoop } from '../lib/loop.ts'
import type { Endings } from './endings.ts'
import type { Sessions } from './sessions.ts'
import type { Tokens } from './tokens.ts'

/** Ends the streams and joined topics of tokens and sessions that no longer exist. */
export interface RevocationComponents {
  tokens: Pick<Tokens, 'missing' | 'watchChanges'>
  sessions: Pick<Sessions, 'missing'>
  endings: Pick<Endings, 'end' | 'watched'>
  stream: {
    /** Tokens and sessions of open connections. */
    readonly grants: Set<string>
    readonly sessions: Set<string>
    /** Calls the watcher when a connection was opened. */
    watchOpened(watcher: () => void): () => void
  }
  topics: { clients(): Promise<Iterable<string>>; giveUp(client: string): Promise<unknown> }
  logger: Logger
  now?: () => number
}

/**
 * Milliseconds from the look-up of a stream's token until the stream is open, at most: the time that a request has to
 * arrive.
 */
const onTheWayMs = 60_000

/**
 * Checks after each change of the tokens, and after each opened stream whose token may have been looked up before the
 * change.
 */
export function watchRevocation(components: RevocationComponents): void {
  const { tokens, sessions, endings, stream, topics, logger, now = () => performance.now() } = components
  let changedAt = Number.NEGATIVE_INFINITY

  async function end(): Promise<void> {
    const { watched } = endings
    for (const id of await tokens.missing([...stream.grants, ...watched.tokens])) endings.end(id)
    for (const id of await sessions.missing([...stream.sessions, ...watched.sessions])) endings.end(id)
    for (const id of await tokens.missing(await topics.clients())) await topics.giveUp(id)
  }

  const checks = createLoop({
    work: end,
    onError: (err) => logger.error({ err }, 'streams and joins of revoked tokens could not be ended'),
  })

  tokens.watchChanges(() => {
    changedAt = now()
    checks.ask()
  })
  stream.watchOpened(() => {
    if (now() - changedAt < onTheWayMs) checks.ask()
  })
}
