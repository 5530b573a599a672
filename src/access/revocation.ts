import type { Logger } from 'pino'
import { createLoop } from '../lib/loop.ts'
import type { Endings } from './endings.ts'
import type { Sessions } from './sessions.ts'
import { isTokenId, type Tokens } from './tokens.ts'

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

/** Changed tokens and sessions that wait for a check. Beyond these, all are checked. */
const maxChanged = 1_000

/**
 * Checks each token and session that has changed. A change that does not name it leads to a check of all, then and after
 * each opened stream whose token may have been looked up before the change.
 */
export function watchRevocation(components: RevocationComponents): void {
  const { tokens, sessions, endings, stream, topics, logger, now = () => performance.now() } = components
  let changedAt = Number.NEGATIVE_INFINITY
  let isAllAsked = false
  const changed = { tokens: new Set<string>(), sessions: new Set<string>() }

  function ask(): void {
    if (changed.tokens.size + changed.sessions.size > maxChanged) isAllAsked = true
    if (isAllAsked) for (const ids of [changed.tokens, changed.sessions]) ids.clear()
    checks.ask()
  }

  /** Changes during the check are checked by the next one. A check that fails is made up for by one of all. */
  async function end(): Promise<void> {
    const isAll = isAllAsked
    const [ofTokens, ofSessions] = [[...changed.tokens], [...changed.sessions]]
    isAllAsked = false
    for (const ids of [changed.tokens, changed.sessions]) ids.clear()
    try {
      await (isAll ? endAll() : endMissing(ofTokens, ofSessions))
    } catch (error) {
      isAllAsked = true
      throw error
    }
  }

  async function endAll(): Promise<void> {
    const { watched } = endings
    for (const id of await tokens.missing([...stream.grants, ...watched.tokens])) endings.end(id)
    for (const id of await sessions.missing([...stream.sessions, ...watched.sessions])) endings.end(id)
    for (const id of await tokens.missing(await topics.clients())) await topics.giveUp(id)
  }

  /** An end is noted also when nothing of it is open here: what is being opened is then refused. */
  async function endMissing(ofTokens: string[], ofSessions: string[]): Promise<void> {
    const missing = await tokens.missing(ofTokens)
    for (const id of missing) endings.end(id)
    if (ofSessions.length > 0) for (const id of await sessions.missing(ofSessions)) endings.end(id)
    const clients = missing.size === 0 ? new Set<string>() : new Set(await topics.clients())
    for (const id of missing) if (clients.has(id)) await topics.giveUp(id)
  }

  const checks = createLoop({
    work: end,
    onError: (err) => logger.error({ err }, 'streams and joins of revoked tokens could not be ended'),
  })

  tokens.watchChanges(({ token, session }) => {
    if (token !== undefined && isTokenId(token)) changed.tokens.add(token)
    else if (session !== undefined) changed.sessions.add(session)
    else {
      changedAt = now()
      isAllAsked = true
    }
    ask()
  })
  stream.watchOpened(() => {
    if (now() - changedAt >= onTheWayMs) return
    isAllAsked = true
    ask()
  })
}
