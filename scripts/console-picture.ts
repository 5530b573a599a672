import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setInterval } from 'node:timers/promises'
import { chromium } from 'playwright-core'
import { executablePath } from '../test/fixtures/chromium.ts'
import { quietEnvironment, startGateway } from '../test/fixtures/gateway-process.ts'
import { createRest, type Rest } from '../test/fixtures/rest.ts'
import { buildConsole } from './build-console.ts'

/** Draws the pictures of the console in the documents anew: two gateways, both with clients that publish, in Chromium. */

const pictures = join(import.meta.dirname, '../docs/images')
/** How often the clients publish, in milliseconds, and how many times: enough for a line in the chart. */
const everyMs = 500
const times = 80

const conversation = [
  { topic: 'invoices', data: { order: 41, paid: true }, encoding: 'json' },
  { topic: 'invoices', data: { order: 42, paid: false }, encoding: 'json' },
  { topic: 'orders', data: 'the kitchen is closed' },
]

await buildConsole()
const directory = await mkdtemp(join(tmpdir(), 'peergate-picture-'))
const own = await startGateway(quietEnvironment(join(directory, 'own')))
const other = await startGateway({ ...quietEnvironment(join(directory, 'other')), PEERGATE_BOOTSTRAP: own.multiaddrs.join() })
const browser = await chromium.launch({ executablePath: executablePath ?? '' })
try {
  const page = await browser.newPage({ viewport: { width: 1_280, height: 800 }, colorScheme: 'light' })
  await page.goto(own.url)
  await publish(createRest(own.url), createRest(other.url))
  await page.screenshot({ path: join(pictures, 'console.png') })
  await page.goto(`${own.url}/#/messages?topic=>`)
  await page.getByRole('button', { name: 'Follow' }).click()
  await page.getByRole('button', { name: 'Pause' }).waitFor()
  await createRest(other.url).call('POST', '/v1/messages', { messages: conversation })
  await page.locator('.message button.plain').nth(1).click()
  await page.getByText('curl -H').waitFor()
  await page.screenshot({ path: join(pictures, 'messages.png') })
} finally {
  await browser.close()
  await Promise.all([own.end('SIGTERM'), other.end('SIGTERM')])
  await rm(directory, { recursive: true })
}

/** Much on one gateway and less on the other, in waves. */
async function publish(one: Rest, another: Rest): Promise<void> {
  const messages = (topic: string, count: number) =>
    Array.from({ length: Math.round(count) }, () => ({ topic, data: { amount: 12.5 }, encoding: 'json' }))
  for (const topic of ['orders', 'invoices']) await one.call('PUT', `/v1/topics/${topic}`)
  let round = 0
  for await (const _ of setInterval(everyMs)) {
    if (++round > times) return
    await Promise.all([
      one.call('POST', '/v1/messages', { messages: messages('orders', 60 + 40 * Math.sin(round / 8)) }),
      another.call('POST', '/v1/messages', { messages: messages('invoices', 30 + 20 * Math.cos(round / 6)) }),
    ])
  }
}
