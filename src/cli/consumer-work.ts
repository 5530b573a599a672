import { once } from 'node:events'
import { bytesOf } from '../../clients/typescript/src/data.ts'
import { clientError, PeergateError } from '../../clients/typescript/src/errors.ts'
import type { components } from '../../clients/typescript/src/openapi.ts'
import { createDeadline } from '../lib/deadline.ts'
import { runChild } from './child.ts'
import { exitCodes } from './exit-codes.ts'
import { CommandFailed } from './failures.ts'
import { commandLimits } from './limits.ts'
import type { Remote } from './remote.ts'
import { workThrough } from './work-through.ts'

type HandedOut = components['schemas']['HandedOut']

export interface ConsumerWorkInit {
  readonly remote: Remote
  /** Programs at a time. */
  readonly concurrency: number
  /** Messages after which it ends. */
  readonly limit: number
  /** The program and its arguments. */
  readonly words: readonly string[]
  /** When it fires, no further messages are taken, and the programs that run come to their ends. */
  readonly signal: AbortSignal
  say(text: string): void
}

/** Of `ackWaitMs`, how much passes between two reports of progress: two of them may be lost. */
const progressShare = 1 / 3

/**
 * Runs a program for each message of a consumer. Messages are taken by requests, not by the stream: they stay with this
 * worker, and their programs go on, while the gateway restarts.
 * @throws CommandFailed when the program cannot be started
 */
export async function workOn(name: string, init: ConsumerWorkInit): Promise<void> {
  const { remote, concurrency, limit, words, signal, say } = init
  const path = { name }
  let ackWaitMs = 0
  let readAt = 0

  /** A call that hangs fails as one that finds no gateway. */
  async function inTime<T>(ms: number, call: (signal: AbortSignal) => Promise<T>, stopping?: AbortSignal): Promise<T> {
    using deadline = createDeadline(ms, stopping === undefined ? [] : [stopping])
    try {
      return await call(deadline.signal)
    } catch (error) {
      if (deadline.isOver) throw clientError('connection_lost', `No gateway answers in time at ${remote.url}`, error)
      throw error
    }
  }

  async function readSettings(patienceMs: number, stopping: AbortSignal): Promise<void> {
    const read = (signal: AbortSignal) => remote.call('get', '/v1/consumers/{name}', { path, signal })
    const call = () => inTime(commandLimits.workAnswerMs, read, stopping)
    ackWaitMs = (await remote.patiently(patienceMs, call, stopping)).ackWaitMs
    readAt = performance.now()
  }

  async function pull(room: number, stopping: AbortSignal): Promise<HandedOut[]> {
    if (performance.now() - readAt >= commandLimits.workSettingsMs) await readSettings(Number.POSITIVE_INFINITY, stopping)
    const { pullWaitMs, workAnswerMs } = commandLimits
    const body = { limit: room, waitMs: pullWaitMs }
    const ask = (signal: AbortSignal) => remote.call('post', '/v1/consumers/{name}/pull', { path, body, signal })
    const call = () => inTime(pullWaitMs + workAnswerMs, ask, stopping)
    return (await remote.patiently(Number.POSITIVE_INFINITY, call, stopping)).items
  }

  /** @returns whether the delivery is still with this worker */
  async function tell(verdict: 'ack' | 'retry' | 'progress', claim: string, ms: number, stopping?: AbortSignal): Promise<boolean> {
    const body = { claims: [claim], verdict }
    const ask = (signal: AbortSignal) => remote.call('post', '/v1/consumers/{name}/acks', { path, body, signal })
    return !(await inTime(ms, ask, stopping)).unknown.includes(claim)
  }

  /** Reports progress until the signal fires, or the message is no longer with this worker. A report that fails is followed by others. */
  async function report({ message, claim }: HandedOut, signal: AbortSignal): Promise<void> {
    let isHere = true
    while (isHere && !signal.aborted) {
      const everyMs = ackWaitMs * progressShare
      using pause = createDeadline(everyMs, [signal])
      await once(pause.signal, 'abort')
      const ms = Math.min(everyMs, commandLimits.workAnswerMs)
      if (pause.isOver) isHere = await tell('progress', claim, ms, signal).catch(() => true)
    }
    if (!isHere) say(`${message.id} is no longer with this worker: it was settled, or its time was over and it comes again.`)
  }

  async function handle(item: HandedOut): Promise<void> {
    const { message, attempt, claim } = item
    const done = new AbortController()
    const reporting = report(item, done.signal)
    let failure: Error | undefined
    const code = await run(words, { message, attempt }).catch((error: Error) => {
      failure = error
      return undefined
    })
    done.abort()
    await reporting
    if (code !== 0 && code !== undefined) say(`The program ended with ${code} for ${message.id}, attempt ${attempt}.`)
    try {
      await remote.patiently(commandLimits.patienceMs, () => tell(code === 0 ? 'ack' : 'retry', claim, commandLimits.workAnswerMs))
    } catch (error) {
      if (!(error instanceof PeergateError) || !error.retryable) throw error
      // By now another worker may have it.
      say(`What became of ${message.id} could not be told: ${error.message}. It comes again.`)
    }
    if (failure !== undefined) throw new CommandFailed(failure.message, exitCodes.failure, { cause: failure })
  }

  try {
    await readSettings(commandLimits.patienceMs, signal)
  } catch (error) {
    if (signal.aborted) return
    throw error
  }
  say(`Working for ${name}.`)
  await workThrough({ concurrency, limit, signal, pull, handle })
}

/** @returns the exit code */
async function run(words: readonly string[], { message, attempt }: Pick<HandedOut, 'message' | 'attempt'>): Promise<number> {
  const env = {
    PEERGATE_MESSAGE_ID: message.id,
    PEERGATE_MESSAGE_CURSOR: message.cursor,
    PEERGATE_MESSAGE_TOPIC: message.topic ?? '',
    PEERGATE_MESSAGE_FROM: message.from,
    PEERGATE_MESSAGE_ATTEMPT: String(attempt),
  }
  return (await runChild(words, bytesOf(message), { env, shown: true })).code
}
