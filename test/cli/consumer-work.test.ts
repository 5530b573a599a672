import { writeFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { json } from 'node:stream/consumers'
import { expect, onTestFinished, test, vi } from 'vitest'
import { workOn } from '../../src/cli/consumer-work.ts'
import { commandLimits } from '../../src/cli/limits.ts'
import { createRemote } from '../../src/cli/remote.ts'
import { holdDeadlines } from '../fixtures/held-deadlines.ts'
import { temporaryDirectory } from '../fixtures/temporary.ts'

interface Answers {
  /** Milliseconds of `ackWaitMs`. */
  ackWaitMs?(): number
  /** Called before a message is handed out. */
  pulled?(): Promise<void>
  /** The status of the answer to a verdict: 200, or that of a problem, of which 503 passes. */
  told(verdict: string): Promise<number>
  /** Seconds after which a problem may have passed. */
  retryAfter?: number
  /** Whether the message is with another worker. */
  isElsewhere?: boolean
  /** What the worker says. */
  heard?(text: string): void
}

const silent: Promise<never> = new Promise(() => undefined)

async function serverFor(listener: RequestListener): Promise<string> {
  const server = createServer(listener).listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** Works for a gateway that has one message, time and again, and says what the test wants. */
async function workFor(
  limit: number,
  words: string[],
  { ackWaitMs = () => 60, pulled, told, retryAfter, isElsewhere = false, heard = () => undefined }: Answers,
) {
  const message = { id: 'a.1', cursor: 'e.1', topic: 'orders', from: 'a', data: 'hello', encoding: 'utf8' }
  const claim = 'a.1~x'
  async function answerTo({ method, url }: IncomingMessage, verdict: string): Promise<[status: number, value: object]> {
    if (method === 'GET') return [200, { ackWaitMs: ackWaitMs() }]
    if (url?.endsWith('/pull') !== true) {
      return [await told(verdict), isElsewhere ? { settled: [], unknown: [claim] } : { settled: [claim], unknown: [] }]
    }
    await pulled?.()
    return [200, { items: [{ message, attempt: 1, claim }] }]
  }
  const url = await serverFor(async (request, response) => {
    // A report of progress is cut when the program ends.
    const body = Object(request.method === 'POST' ? await json(request).catch(() => undefined) : undefined)
    const [status, value] = await answerTo(request, String(body['verdict']))
    const problem = { title: 'Busy', detail: 'later', code: 'overloaded', retryable: status === 503 }
    if (status !== 200 && retryAfter !== undefined) response.setHeader('retry-after', retryAfter)
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(status === 200 ? value : problem))
  })
  const remote = createRemote({ url }, () => undefined)
  await workOn('billing', { remote, concurrency: 1, limit, words, signal: new AbortController().signal, say: heard })
}

const workForOne = (words: string[], told: Answers['told']) => workFor(1, words, { told })

const untilThereIs = (file: string) => ['sh', '-c', 'until [ -e "$0" ]; do sleep 0.02; done', file]

test('while a program works, the gateway is told that it does, also after a report that was lost', async () => {
  const file = join(await temporaryDirectory(), 'end')
  const verdicts: string[] = []
  await workForOne(untilThereIs(file), async (verdict) => {
    verdicts.push(verdict)
    if (verdicts.length >= 3) await writeFile(file, '')
    // A report that is lost is followed by others.
    return verdicts.length === 1 ? 503 : 200
  })
  expect(verdicts.slice(0, 3)).toEqual(['progress', 'progress', 'progress'])
  expect(verdicts.filter((verdict) => verdict !== 'progress')).toEqual(['ack'])
})

test('progress is reported each time that a third of the time of a delivery has passed', async () => {
  const file = join(await temporaryDirectory(), 'end')
  const passDeadlines = holdDeadlines(19_999)
  const verdicts: string[] = []
  const worked = workFor(1, untilThereIs(file), {
    ackWaitMs: () => 3 * 19_999,
    async told(verdict) {
      verdicts.push(verdict)
      return 200
    },
  })
  for (const count of [1, 2]) {
    await expect
      .poll(() => {
        if (verdicts.length < count) passDeadlines()
        return verdicts.length
      })
      .toBe(count)
  }
  await writeFile(file, '')
  await worked
  expect(verdicts).toEqual(['progress', 'progress', 'ack'])
})

test.each([
  ['true', 'ack'],
  ['false', 'retry'],
])('the verdict on `%s` is %s, and it is told again to a gateway that was busy', async (program, verdict) => {
  const verdicts: string[] = []
  await workForOne([program], async (each) => {
    if (each !== 'progress') verdicts.push(each)
    return verdicts.length === 1 ? 503 : 200
  })
  expect(verdicts).toEqual([verdict, verdict])
})

test('a verdict that no gateway takes in time is said to be lost, and the work goes on', async () => {
  const verdicts: string[] = []
  const heard: string[] = []
  await workFor(2, ['true'], {
    ackWaitMs: () => 60_000,
    // Later than the worker has patience for.
    retryAfter: 60,
    async told(verdict) {
      verdicts.push(verdict)
      return verdicts.length === 1 ? 503 : 200
    },
    heard: (text) => heard.push(text),
  })
  expect(verdicts).toEqual(['ack', 'ack'])
  expect(heard).toEqual(['Working for billing.', expect.stringMatching(/^What became of a\.1 could not be told: .* It comes again\.$/)])
})

test('a verdict that the gateway refuses ends the work', async () => {
  await expect(workForOne(['true'], async () => 403)).rejects.toMatchObject({ status: 403 })
})

test('a report of progress that hangs does not keep the next ones back', async () => {
  const file = join(await temporaryDirectory(), 'end')
  const verdicts: string[] = []
  await workForOne(untilThereIs(file), async (verdict) => {
    verdicts.push(verdict)
    if (verdict !== 'progress') return 200
    if (verdicts.length === 3) await writeFile(file, '')
    return await silent
  })
  expect(verdicts.slice(0, 3)).toEqual(['progress', 'progress', 'progress'])
  expect(verdicts.at(-1)).toBe('ack')
})

test('of a message that is no longer with this worker no progress is reported, and it says so', async () => {
  const file = join(await temporaryDirectory(), 'end')
  const verdicts: string[] = []
  const heard: number[] = []
  await workFor(1, untilThereIs(file), {
    ackWaitMs: () => 150,
    isElsewhere: true,
    async told(verdict) {
      verdicts.push(verdict)
      return 200
    },
    heard(text) {
      if (!text.includes('a.1 is no longer with this worker')) return
      heard.push(verdicts.length)
      // Some four reports would come until then.
      setTimeout(() => void writeFile(file, ''), 200)
    },
  })
  expect(heard).toHaveLength(1)
  expect(verdicts.slice(heard[0])).toEqual(['ack'])
})

test('a pull and a verdict that hang are given up, and made again', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  onTestFinished(() => void vi.useRealTimers())
  const { pullWaitMs, workAnswerMs } = commandLimits
  const calls: string[] = []
  /** The first of its kind hangs. */
  async function made(call: string, ms: number): Promise<void> {
    calls.push(call)
    if (calls.indexOf(call) < calls.length - 1) return
    vi.advanceTimersByTime(ms - 1)
    calls.push('waits')
    vi.advanceTimersByTime(1)
    await silent
  }
  await workFor(1, ['true'], {
    ackWaitMs: () => 60_000,
    pulled: () => made('pull', pullWaitMs + workAnswerMs),
    told: async (verdict) => {
      await made(verdict, workAnswerMs)
      return 200
    },
  })
  expect(calls).toEqual(['pull', 'waits', 'pull', 'ack', 'waits', 'ack'])
})

test('the settings of the consumer are read again, at most once in a while', async () => {
  const now = performance.now.bind(performance)
  const begunMs = 9 * commandLimits.workSettingsMs
  let passedMs = begunMs
  vi.spyOn(performance, 'now').mockImplementation(() => now() + passedMs)
  onTestFinished(() => void vi.restoreAllMocks())
  const calls: string[] = []
  await workFor(3, ['true'], {
    ackWaitMs() {
      calls.push('read')
      return 60_000
    },
    async pulled() {
      calls.push('pull')
      if (calls.length > 2) passedMs = begunMs + commandLimits.workSettingsMs
    },
    told: async () => 200,
  })
  expect(calls).toEqual(['read', 'pull', 'pull', 'read', 'pull'])
})

test('a worker that is told to stop while it waits for a gateway ends without an error', async () => {
  const stop = new AbortController()
  const hanging = await serverFor(() => stop.abort())
  const places: [url: string, stopping: AbortController][] = [
    [hanging, stop],
    ['http://127.0.0.1:9', new AbortController()],
  ]
  for (const [url, stopping] of places) {
    const remote = createRemote({ url }, () => stopping.abort())
    const say = vi.fn()
    await workOn('billing', { remote, concurrency: 1, limit: 1, words: ['true'], signal: stopping.signal, say })
    expect(say).not.toHaveBeenCalled()
  }
})
