import { setTimeout as sleep } from 'node:timers/promises'
import { chromium, type Page } from 'playwright-core'
import { buildConsole } from '../scripts/build-console.ts'
import { executablePath } from '../test/fixtures/chromium.ts'
import { startGateway } from '../test/fixtures/gateway-process.ts'
import { benchEnvironment } from './environment.ts'
import { createHttpClient, type HttpClient } from './http-client.ts'
import type { BenchResult } from './result.ts'
import { percentile } from './statistics.ts'
import { temporaryDirectory } from './temporary-directory.ts'

/**
 * (x) The console's live tail in Chromium, while 10,000 messages a second are published in arrays: how many the page has
 * received when publishing ends, and how late it draws and answers a click meanwhile.
 */

const perSecond = 10_000
const perRequest = 500
const clickEveryMs = 500

/** @param seconds how long messages are published */
export async function benchTail({ seconds }: { seconds: number }): Promise<BenchResult> {
  const name = '(x) the live tail of the console, 10,000 messages/s'
  if (executablePath === undefined) return { name, rows: [], notes: ['not measured: there is no Chromium'] }
  await using resources = new AsyncDisposableStack()
  await buildConsole()
  const gateway = await startGateway(benchEnvironment(await temporaryDirectory(resources), 'custom'))
  resources.defer(async () => void (await gateway.end('SIGTERM')))
  const client = resources.adopt(createHttpClient(gateway.url, 4), (opened) => opened.close())
  const browser = await chromium.launch({ executablePath })
  resources.defer(() => browser.close())
  const page = await browser.newPage()
  await page.goto(`${gateway.url}/#/messages?topic=flood`)
  await page.getByRole('button', { name: 'Follow' }).click()
  await page.getByRole('button', { name: 'Pause' }).waitFor()
  // So that what is compiled at first is not measured.
  await publish(client, perSecond)
  await caughtUp(page, perSecond)

  const frames = await watchFrames(page)
  const over = new AbortController()
  const clicks = clickUntil(page, over.signal)
  const begun = performance.now()
  await publish(client, seconds * perSecond)
  const took = (performance.now() - begun) / 1_000
  const frameMs = await frames.stop()
  const received = (await receivedBy(page)) - perSecond
  over.abort()
  const clickMs = await clicks
  await caughtUp(page, (seconds + 1) * perSecond)
  return {
    name,
    rows: [
      { label: 'published', value: (seconds * perSecond) / took, unit: 'messages/s' },
      { label: 'received when publishing ends', value: (100 * received) / (seconds * perSecond), unit: '%' },
      { label: 'frames drawn', value: frameMs.length / took, unit: '/s' },
      { label: 'between two frames: p50', value: percentile(frameMs, 0.5), unit: 'ms' },
      { label: 'between two frames: p99', value: percentile(frameMs, 0.99), unit: 'ms' },
      { label: 'click to its effect: p50', value: percentile(clickMs, 0.5), unit: 'ms' },
      { label: 'click to its effect: longest', value: Math.max(...clickMs), unit: 'ms' },
    ],
    notes: ['Publisher, gateway and browser share the processors.'],
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

const receivedText = /^([\d,]+) messages? received/

async function receivedBy(page: Page): Promise<number> {
  const text = (await page.getByText(receivedText).textContent()) ?? ''
  return Number(receivedText.exec(text.trim())?.[1]?.replaceAll(',', ''))
}

async function caughtUp(page: Page, count: number): Promise<void> {
  await page.getByText(`${count.toLocaleString('en')} messages received`).waitFor({ timeout: 120_000 })
}

/** Milliseconds between the frames that a page draws. */
async function watchFrames(page: Page): Promise<{ stop(): Promise<number[]> }> {
  const frames = await page.evaluateHandle(() => {
    const gaps: number[] = []
    // The page has it as a global.
    const whenDrawn: (watch: (now: number) => void) => void = Reflect.get(globalThis, 'requestAnimationFrame')
    let last = performance.now()
    const watch = (now: number) => {
      gaps.push(now - last)
      last = now
      whenDrawn(watch)
    }
    whenDrawn(watch)
    return gaps
  })
  return { stop: () => frames.jsonValue() }
}

/** Pauses the tail and resumes it; answers how long each took to show, in milliseconds. */
async function clickUntil(page: Page, signal: AbortSignal): Promise<number[]> {
  const took: number[] = []
  for (let isRunning = true; !signal.aborted || !isRunning; isRunning = !isRunning) {
    const [now, then] = isRunning ? ['Pause', 'Resume'] : ['Resume', 'Pause']
    const begun = performance.now()
    await page.getByRole('button', { name: now }).click()
    await page.getByRole('button', { name: then }).waitFor()
    took.push(performance.now() - begun)
    if (isRunning) continue
    await sleep(clickEveryMs)
  }
  return took
}
