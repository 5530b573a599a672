import type { Logger } from 'pino'
import type { Endings } from './endings.ts'
import type { Sessions } from './sessions.ts'
import type { Tokens } from './tokens.ts'

/** What tokens and sessions that are gone have left ends: streams and joined topics. */
export interface RevocationComponents {
  tokens: Pick<Tokens, 'missing' | 'watchChanges'>
  sessions: Pick<Sessions, 'missing'>
  endings: Pick<Endings, 'end' | 'watched'>
  stream: {
    /** Tokens and sessions of open connections. */
    readonly grants: Set<string>
    readonly sessions: Set<string>
    /** Tells that a connection was opened. */
    watchOpened(watcher: () => void): () => void
  }
  topics: { clients(): Promise<Iterable<string>>; giveUp(client: string): Promise<unknown> }
  logger: Logger
  now?: () => number
}

/** Milliseconds that a stream takes at most from the look at its token until it is open: a request has this time to arrive. */
const onTheWayMs = 60_000

/** Looks after each change of the tokens, and after each opened stream of which the token may have been looked up before the change. */
export function watchRevocation(components: RevocationComponents): void {
  const { tokens, sessions, endings, stream, topics, logger, now = () => performance.now() } = components
  let changedAt = Number.NEGATIVE_INFINITY
  let isAsked = false
  let isEnding = false

  async function end(): Promise<void> {
    const { watched } = endings
    for (const id of await tokens.missing([...stream.grants, ...watched.tokens])) endings.end(id)
    for (const id of await sessions.missing([...stream.sessions, ...watched.sessions])) endings.end(id)
    for (const id of await tokens.missing(await topics.clients())) await topics.giveUp(id)
  }

  /** One at a time, and once more when it was asked for meanwhile. */
  async function run(): Promise<void> {
    isAsked = true
    if (isEnding) return
    isEnding = true
    while (isAsked) {
      isAsked = false
      await end().catch((err: unknown) => logger.error({ err }, 'streams and joins whose tokens may have been revoked could not be ended'))
    }
    isEnding = false
  }

  tokens.watchChanges(() => {
    changedAt = now()
    void run()
  })
  stream.watchOpened(() => {
    if (now() - changedAt < onTheWayMs) void run()
  })
}
