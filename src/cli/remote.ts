import { setTimeout as delay } from 'node:timers/promises'
import { clientError, PeergateError } from '../../clients/typescript/src/errors.ts'
import { createRest, type Rest } from '../../clients/typescript/src/rest.ts'
import { omitUndefined } from '../lib/omit-undefined.ts'
import type { Context } from './contexts.ts'

/** The HTTP API of a gateway. Calls throw a PeergateError: `connection_lost` when no gateway answers. */
export interface Remote extends Rest {
  readonly url: string
  /**
   * Repeats a call that finds the gateway busy or not there. One that creates something needs an idempotency key.
   * @param patienceMs milliseconds after which no further attempt begins
   * @param signal ends the waiting: its reason is thrown
   */
  patiently<T>(patienceMs: number, call: () => Promise<T>, signal?: AbortSignal): Promise<T>
}

const firstPauseMs = 100
const longestPauseMs = 2_000

/** @param onWait is told why a call has to be repeated */
export function createRemote({ url, token }: Context, onWait: (why: string) => void): Remote {
  const base = url.replace(/\/+$/, '')

  /** An answer that is cut says as little as none. */
  async function fetchWhole(...[to, init]: Parameters<typeof fetch>): Promise<Response> {
    try {
      const answer = await fetch(to, { ...init, redirect: 'error' })
      const text = await answer.text()
      return new Response(text === '' ? null : text, answer)
    } catch (error) {
      init?.signal?.throwIfAborted()
      const { cause = error } = error as Error
      throw clientError('connection_lost', `No gateway answers at ${base}: ${cause instanceof Error ? cause.message : cause}`, error)
    }
  }

  return {
    url: base,
    ...createRest({ url: base, ...omitUndefined({ token }), fetch: fetchWhole }),
    async patiently(patienceMs, call, signal) {
      const until = Date.now() + patienceMs
      for (let pauseMs = firstPauseMs; ; pauseMs = Math.min(longestPauseMs, pauseMs * 2)) {
        try {
          return await call()
        } catch (error) {
          if (!(error instanceof PeergateError) || !error.retryable) throw error
          const waitMs = error.retryAfterMs ?? firstPauseMs
          if (Date.now() + waitMs >= until) throw error
          if (pauseMs === firstPauseMs) onWait(`${error.message}. Trying again.`)
          await delay(Math.max(waitMs, pauseMs * (0.5 + Math.random() / 2)), undefined, omitUndefined({ signal }))
        }
      }
    },
  }
}
