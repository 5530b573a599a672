import { useEffect, useRef, useState } from 'preact/hooks'
import { type Client, createClient, PeergateError } from '../clients/typescript/src/index.ts'
import type { components } from '../clients/typescript/src/openapi.ts'

export type Schemas = components['schemas']

/** What the page knows of its gateway. */
export type Access = { type: 'asking' } | { type: 'signedOut'; reason: string } | { type: 'signedIn'; client: Schemas['ClientInfo'] }

/** The client of the page: its session is a cookie, which the browser adds by itself. */
export const gateway: Pick<Client, 'rest'> = createClient({ url: location.origin })

/** Somebody waits for the gateway at the page, whose other calls are repeated as often. */
const backOff = { firstMs: 500, lastMs: 2_000 }

let live: Client | undefined

/** The client of the stream: another one after the end of the session, which ends the one before for good. */
export function stream(): Client {
  if (live === undefined || live.state.type === 'closed') {
    live = createClient({ url: location.origin, backOff })
    live.watch(({ type }) => {
      if (type === 'open' || type === 'waiting') signals?.unreachable(type === 'waiting')
    })
  }
  return live
}

const signedOutCodes = new Set(['unauthorized', 'invalid_token'])

export function isSignedOut(error: unknown): boolean {
  return error instanceof PeergateError && signedOutCodes.has(error.code)
}

export interface Signals {
  signedOut(reason: string): void
  unreachable(isUnreachable: boolean): void
}

let signals: Signals | undefined

/** Tells the frame of the page what all its calls find out. @returns ends it */
export function watchCalls(listener: Signals): () => void {
  signals = listener
  return () => {
    signals = undefined
  }
}

/** Makes a call, and tells the frame when the session has ended or the gateway is away. */
export async function call<Answer>(make: () => Promise<Answer>): Promise<Answer> {
  try {
    const answer = await make()
    signals?.unreachable(false)
    return answer
  } catch (error) {
    if (error instanceof PeergateError) {
      if (isSignedOut(error)) signals?.signedOut('The session has ended: its token was revoked or has expired.')
      signals?.unreachable(error.code === 'http_502' || error.code === 'http_504')
    } else if (error instanceof TypeError) signals?.unreachable(true)
    throw error
  }
}

export function wordsOf(error: unknown): string {
  if (error instanceof PeergateError) return `${error.message} (${error.code})`
  return error instanceof TypeError ? 'The gateway does not answer.' : String(error)
}

/** Opens a session: from then on the page has a cookie, and the token is in no storage. */
export async function signIn(token: string): Promise<void> {
  await createClient({ url: location.origin, token }).rest.call('post', '/v1/session')
}

export async function getText(path: string): Promise<{ ok: boolean; text: string }> {
  const answer = await fetch(path)
  return { ok: answer.ok, text: await answer.text() }
}

export interface Polled<Value> {
  value: Value | undefined
  error: string | undefined
  /** Loads again at once. */
  again: () => void
}

/** Loads a value now and, while the page is shown, again and again. An error keeps the last value. */
export function usePoll<Value>(load: () => Promise<Value>, everyMs: number, key = ''): Polled<Value> {
  const [state, setState] = useState<{ value?: Value; error?: string; key: string }>({ key })
  const again = useRef(() => {})
  const latest = useRef(load)
  latest.current = load
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined
    let round = 0
    async function run() {
      clearTimeout(timer)
      const mine = ++round
      try {
        const value = await call(() => latest.current())
        if (mine === round) setState({ value, key })
      } catch (error) {
        if (mine === round) setState((before) => ({ ...(before.key === key ? before : {}), key, error: wordsOf(error) }))
      }
      if (mine === round) timer = setTimeout(run, everyMs)
    }
    again.current = () => void run()
    void run()
    return () => {
      round = Number.POSITIVE_INFINITY
      clearTimeout(timer)
    }
  }, [everyMs, key])
  const own = state.key === key ? state : { key }
  return { value: own.value, error: own.error, again: () => again.current() }
}

export interface Changes {
  /** Why the last change failed. */
  error: string | undefined
  act(change: () => Promise<unknown>): Promise<void>
}

/** Makes changes that a page asks for. @param done called after each that succeeded */
export function useChanges(done: () => void): Changes {
  const [error, setError] = useState<string>()
  return {
    error,
    async act(change) {
      setError(undefined)
      try {
        await call(change)
        done()
      } catch (failure) {
        setError(wordsOf(failure))
      }
    },
  }
}
