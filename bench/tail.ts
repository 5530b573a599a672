import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { z } from 'zod'
import { buildConsole } from '../scripts/build-console.ts'
import { executablePath } from '../test/fixtures/chromium.ts'
import { startGateway } from '../test/fixtures/gateway-process.ts'
import { openPage, type Page, until } from './devtools.ts'
import { benchEnvironment } from './environment.ts'
import { createHttpClient, type HttpClient } from './http-client.ts'
import type { BenchResult, BenchRow } from './result.ts'
import { percentile } from './statistics.ts'
import { fillStore } from './stored-messages.ts'
import { temporaryDirectory } from './temporary-directory.ts'

/**
 * (x) The console's live tail in Chromium, and how soon it shows what a click does meanwhile. Stored messages come as fast
 * as the page takes them, without a publisher beside it; live ones as they are published in arrays, 10,000 a second.
 */

const perSecond = 10_000
const perRequest = 500
/** Each pause drops what is under way, which comes again: more of them would be what is measured. */
const clickEveryMs = 2_000
/** So that what is compiled at first is not measured. */
const warmUp = 20_000

/** @param stored messages that are there before @param seconds how long messages are published */
export async function benchTail({ stored, seconds }: { stored: number; seconds: number }): Promise<BenchResult> {
  const name = '(x) the live tail of the console'
  if (executablePath === undefined) return { name, rows: [], notes: ['not measured: there is no Chromium'] }
  await using resources = new AsyncDisposableStack()
  await buildConsole()
  const directory = await temporaryDirectory(resources)
  const log = { url: pathToFileURL(join(directory, 'peergate.db')).href, servedMarkFile: join(directory, 'served') }
  const data = Buffer.from(JSON.stringify({ number: 1, text: 'a message of the benchmark' }))
  await fillStore(log, { topic: 'before', data, count: warmUp })
  await fillStore(log, { topic: 'stored', data, count: stored })
  const gateway = await startGateway(benchEnvironment(directory, 'custom'))
  resources.defer(async () => void (await gateway.end('SIGTERM')))
  const client = resources.adopt(createHttpClient(gateway.url, 4), (opened) => opened.close())
  const page = await openPage(executablePath, `${gateway.url}/#/messages`, resources)

  await page.evaluate(until(`${button('Follow')} !== undefined`))
  await follow(page, { topic: 'before', from: '2000-01-01T00:00:00' })
  await page.evaluate(until(`${received} === ${warmUp}`))
  const all = { topic: 'stored', from: '2000-01-01T00:00:00' }
  const replay = await measure(page, stored, all, async () => {
    await page.evaluate(until(`${received} === ${stored}`))
  })

  const count = seconds * perSecond
  let publishedPerSecond = 0
  let share = 0
  const live = await measure(page, count, { topic: 'flood', from: '' }, async () => {
    const begun = performance.now()
    await publish(client, count)
    publishedPerSecond = (count * 1_000) / (performance.now() - begun)
    share = (100 * z.number().parse(await page.evaluate(received))) / count
    await page.evaluate(until(`${received} === ${count}`))
  })
  return {
    name,
    rows: [
      ...rowsOf('stored', replay),
      { label: 'live: published', value: publishedPerSecond, unit: 'messages/s' },
      { label: 'live: received when publishing ends', value: share, unit: '%' },
      ...rowsOf('live', live),
    ],
    notes: ['Publisher, gateway and browser share the processors.'],
  }
}

interface Measured {
  perSecond: number
  /** Processor time of the main thread for a message, with its part of all drawing, in microseconds. */
  usPerMessage: number
  framesPerSecond: number
  clickMs: number[]
}

interface Followed {
  topic: string
  /** Local time, or nothing for now. */
  from: string
}

/** @param work ends when the page has received so many messages */
async function measure(page: Page, count: number, followed: Followed, work: () => Promise<void>): Promise<Measured> {
  await page.evaluate(watching)
  const over = new AbortController()
  const begun = performance.now()
  const busyBefore = await page.busySeconds()
  await follow(page, followed)
  const clicking = clickUntil(page, over.signal)
  await work()
  const seconds = (performance.now() - begun) / 1_000
  const busySeconds = (await page.busySeconds()) - busyBefore
  over.abort()
  await clicking
  const { frames, clickMs } = watchedSchema.parse(await page.evaluate('globalThis.watched'))
  return { perSecond: count / seconds, usPerMessage: (busySeconds * 1e6) / count, framesPerSecond: frames / seconds, clickMs }
}

function rowsOf(way: string, { perSecond, usPerMessage, framesPerSecond, clickMs }: Measured): BenchRow[] {
  return [
    { label: `${way}: received`, value: perSecond, unit: 'messages/s' },
    { label: `${way}: main thread for a message`, value: usPerMessage, unit: 'µs' },
    { label: `${way}: frames drawn`, value: framesPerSecond, unit: '/s' },
    { label: `${way}: click to its effect: p50`, value: percentile(clickMs, 0.5), unit: 'ms' },
    { label: `${way}: click to its effect: longest of ${clickMs.length}`, value: Math.max(...clickMs), unit: 'ms' },
  ]
}

function button(name: string): string {
  return `[...document.querySelectorAll('button')].find(({ textContent }) => textContent === '${name}')`
}

/** The number that the page says it has received. */
const received = `Number(/([\\d,]+) messages? received/.exec(document.querySelector('main').textContent)?.[1]?.replaceAll(',', ''))`

async function follow(page: Page, { topic, from }: Followed): Promise<void> {
  await page.evaluate(`for (const [input, value] of [['input[required]', '${topic}'], ['input[type=datetime-local]', '${from}']]) {
    const element = document.querySelector(input)
    element.value = value
    element.dispatchEvent(new Event('input', { bubbles: true }))
  }`)
  await page.click(button('Follow'))
  await page.evaluate(until(`${button('Pause')} !== undefined`))
}

const watchedSchema = z.object({ frames: z.number(), clickMs: z.array(z.number()) })
/** Counts the frames that the page draws, and the milliseconds from the input of a click until a frame has its effect. */
const watching = `{
  const watched = globalThis.watched = { frames: 0, clickMs: [] }
  const drawn = () => { watched.frames++; if (globalThis.watched === watched) requestAnimationFrame(drawn) }
  requestAnimationFrame(drawn)
  globalThis.onclick = ({ timeStamp, target }) => {
    if (!['Pause', 'Resume'].includes(target.textContent)) return
    const before = globalThis.clickedText
    const look = () => target.textContent === before ? requestAnimationFrame(look) : watched.clickMs.push(performance.now() - timeStamp)
    look()
  }
  addEventListener('click', ({ target }) => { globalThis.clickedText = target.textContent }, true)
}`

/** Pauses the tail and resumes it, again and again. */
async function clickUntil(page: Page, signal: AbortSignal): Promise<void> {
  for (let isRunning = true; !signal.aborted || !isRunning; isRunning = !isRunning) {
    const [now, then] = isRunning ? ['Pause', 'Resume'] : ['Resume', 'Pause']
    await page.evaluate(until(`${button(now)} !== undefined`))
    await page.click(button(now))
    await page.evaluate(until(`${button(then)} !== undefined`))
    if (!isRunning) await sleep(clickEveryMs)
  }
}

/** Publishes at `perSecond`, or as fast as the gateway answers if that is slower. */
async function publish(client: HttpClient, count: number): Promise<void> {
  const messages = Array.from({ length: perRequest }, (_, number) => ({ topic: 'flood', data: `number ${number}` }))
  const body = JSON.stringify({ messages })
  const begun = performance.now()
  for (let sent = 0; sent < count; sent += perRequest) {
    const { status } = await client.post('/v1/messages', body)
    if (status !== 201) throw new Error(`publishing answered ${status}`)
    await sleep(Math.max(0, begun + ((sent + perRequest) * 1_000) / perSecond - performance.now()))
  }
}
