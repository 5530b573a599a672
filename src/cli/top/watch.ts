import { setTimeout as delay } from 'node:timers/promises'
import { clientError, PeergateError } from '../../../clients/typescript/src/errors.ts'
import { createDeadline } from '../../lib/deadline.ts'
import { commandLimits } from '../limits.ts'
import type { Remote } from '../remote.ts'
import { type Figures, figuresOf, type Look, look } from './figures.ts'

/** What has become known: figures, or why there are none now. */
export type Seen = { type: 'figures'; figures: Figures } | { type: 'away'; error: PeergateError }

/**
 * Looks at the gateway each second. One that does not answer is asked again, unless it has never answered.
 * @throws PeergateError when another attempt does not help
 */
export async function* watchGateway(remote: Remote, signal: AbortSignal): AsyncGenerator<Seen, void> {
  let before: Look | undefined
  while (!signal.aborted) {
    try {
      const now = await lookSoon(remote, signal)
      yield { type: 'figures', figures: figuresOf(before, now) }
      before = now
    } catch (error) {
      if (signal.aborted) return
      if (!(error instanceof PeergateError) || !error.retryable || before === undefined) throw error
      yield { type: 'away', error }
    }
    await delay(commandLimits.topEveryMs, undefined, { signal }).catch(() => undefined)
  }
}

/** A gateway that is stopped takes connections and does not answer. */
async function lookSoon(remote: Remote, signal: AbortSignal): Promise<Look> {
  using deadline = createDeadline(commandLimits.topAnswerMs, [signal])
  try {
    return await look(remote, deadline.signal)
  } catch (error) {
    throw deadline.isOver ? clientError('connect_timeout', `The gateway at ${remote.url} does not answer`, error) : error
  }
}
