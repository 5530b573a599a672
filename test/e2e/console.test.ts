import { once } from 'node:events'
import { readdir, readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { json } from 'node:stream/consumers'
import { gzipSync } from 'node:zlib'
import type { Page } from 'playwright-core'
import { expect, onTestFinished, test } from 'vitest'
import { consoleDirectory } from '../../scripts/build-console.ts'
import { webhookBodySchema } from '../../src/model/webhook.ts'
import { executablePath } from '../fixtures/chromium.ts'
import { browserForTest, findings, look, operatorToken, secureGateway, signIn, troubles } from '../fixtures/console-page.ts'
import { gatewayForTest } from '../fixtures/gateway-for-test.ts'
import { quietEnvironment } from '../fixtures/gateway-process.ts'
import { createRest, type Rest } from '../fixtures/rest.ts'
import { openStream } from '../fixtures/stream-client.ts'
import { temporaryDirectory } from '../fixtures/temporary.ts'

test('the console is smaller than 200 kB, compressed', async () => {
  const files = (await readdir(consoleDirectory)).filter((file) => file !== 'licenses.txt')
  const sizes = await Promise.all(files.map(async (file) => gzipSync(await readFile(join(consoleDirectory, file))).length))
  expect(files.toSorted()).toEqual(['console.css', 'console.js', 'index.html'])
  expect(sizes.reduce((total, size) => total + size, 0)).toBeLessThan(200_000)
})

test('follows a topic live, pauses and resumes without a loss, publishes, and shows both sides of a bridge (needs chromium)', async ({
  skip,
}) => {
  skip(executablePath === undefined, 'there is no chromium')
  const { gateway } = await secureGateway({}, 'both')
  const operator = createRest(gateway.url, operatorToken)
  for (const data of ['stored first', 'stored before']) await operator.publish('orders', data)
  const page = await (await browserForTest()).newPage()
  const found = troubles(page)
  await page.goto(gateway.url)
  await signIn(page, operatorToken)
  await page.getByRole('link', { name: 'Topics' }).click()
  await page.getByRole('link', { name: 'orders' }).waitFor()
  await lookInEachLayout(page, 'topics', phoneThenWide)
  await page.getByRole('link', { name: 'orders' }).click()
  await page.getByLabel('Start at (empty: now)').fill('2020-01-01T00:00:00')
  await page.getByRole('button', { name: 'Follow' }).click()
  const texts = () => page.locator('.message > pre').allTextContents()
  await expect.poll(texts).toEqual(['stored before', 'stored first'])
  await page.getByRole('button', { name: 'Pause' }).click()
  await page.getByRole('button', { name: 'Resume' }).waitFor()
  await operator.publish('orders', 'while it paused')
  await page.getByLabel('Data').fill('{"from":"the page"}')
  await page.getByLabel('Format').selectOption('JSON')
  await page.getByRole('button', { name: 'Publish' }).click()
  await page.getByText('Stored, and handed to 0 peers').waitFor()
  expect(await texts()).toEqual(['stored before', 'stored first'])
  await page.getByRole('button', { name: 'Resume' }).click()
  await expect.poll(texts).toEqual(['{\n  "from": "the page"\n}', 'while it paused', 'stored before', 'stored first'])
  await page.locator('.message button.plain').first().click()
  await page.getByText('curl -H').waitFor()
  await lookInEachLayout(page, 'messages', phoneThenWide)

  // More than the list keeps, faster than the page draws: what it leaves out is counted.
  const many = Array.from({ length: 500 }, (_, index) => ({ topic: 'orders', data: `number ${index}` }))
  for (let round = 0; round < 6; round++) await operator.call('POST', '/v1/messages', { messages: many })
  await page.getByText('3,004 messages received').waitFor()
  await expect.poll(() => page.locator('.message').count()).toBe(500)
  await page.getByLabel('Search').fill('number 499')
  await expect.poll(texts).toEqual(['number 499'])

  const [peer, foreign] = await Promise.all(
    (['custom', 'libp2p'] as const).map(async (engine) => {
      const bootstrap = gateway.multiaddrs.filter((address) => address.includes('/ws') === (engine === 'custom'))
      const environment = quietEnvironment(join(await temporaryDirectory(), 'data'), engine)
      return await gatewayForTest({ ...environment, PEERGATE_BOOTSTRAP: bootstrap.join() })
    }),
  )
  if (peer === undefined || foreign === undefined) throw new Error('a gateway is missing')
  await createRest(peer.url).call('PUT', '/v1/topics/orders')
  await page.getByRole('link', { name: 'Topics' }).click()
  await page.getByRole('button', { name: 'Subscribers of orders' }).click()
  await page.getByTitle(peer.peerId).waitFor()
  // The clients because of which it is joined here, by the names of their tokens.
  await page.getByRole('row', { name: /^operator using it/ }).waitFor()
  await lookInEachLayout(page, 'subscribers', phoneThenWide)
  await page.getByRole('button', { name: 'Retention of orders' }).click()
  await page.getByLabel('Messages').fill('12000')
  await page.getByRole('button', { name: 'Save' }).click()
  await page.getByRole('cell', { name: '12,000 messages' }).waitFor()
  await page.getByRole('link', { name: 'Network' }).click()
  await page.getByTitle(peer.peerId).waitFor()
  await page.getByTitle(foreign.peerId).waitFor()
  const graph = page.getByRole('img', { name: 'This gateway is linked to 2 peers' })
  await graph.waitFor()
  // The networks are on two sides, by the colours of their keys.
  const ofNetworks = ['first', 'second'].map((colour) => graph.locator(`g:has(circle.${colour})`))
  await expect
    .poll(() => Promise.all(ofNetworks.map((nodes) => nodes.locator('text').allTextContents())))
    .toEqual([[expect.stringContaining(peer.peerId.slice(-8))], [expect.stringContaining(foreign.peerId.slice(-8))]])
  const [right = 0, left = 0] = await Promise.all(ofNetworks.map(async (nodes) => Number(await nodes.locator('circle').getAttribute('cx'))))
  expect(right).toBeGreaterThan(left)
  expect(await page.locator('figure.graph figcaption').innerText()).toMatch(/custom\s*libp2p/)
  await page.getByRole('button', { name: `Ping ${peer.peerId}` }).click()
  const row = page.getByRole('row').filter({ has: page.getByTitle(peer.peerId) })
  await row.getByRole('cell', { name: / ms$/ }).waitFor()
  await page.getByRole('button', { name: `Label ${peer.peerId}` }).click()
  await page.getByLabel('Label (empty: none)').fill('neighbour')
  await page.getByRole('button', { name: 'Save' }).click()
  await page.getByRole('cell', { name: /neighbour/ }).waitFor()
  await lookInEachLayout(page, 'network', phoneThenWide)
  expect(await page.getByRole('columnheader').allTextContents()).toEqual(expect.arrayContaining(['Received', 'Sent', 'Score']))
  await page.getByRole('button', { name: `Block ${foreign.peerId}` }).click()
  await page.getByTitle(foreign.peerId).waitFor({ state: 'detached' })
  await page.getByLabel('Show').selectOption('blocked')
  await page.getByRole('button', { name: `Unblock ${foreign.peerId}` }).click()
  await page.getByText('No peer is blocked.').waitFor()
  await page.getByLabel('Show').selectOption('connected')
  await page.getByLabel('Multiaddr or peer id').fill(foreign.multiaddrs[0] ?? '')
  await page.getByRole('button', { name: 'Connect', exact: true }).click()
  await page.getByTitle(foreign.peerId).waitFor()

  const work = await openStream(gateway.url, { headers: { authorization: `Bearer ${operatorToken}` } })
  onTestFinished(() => work.socket.terminate())
  work.send({ type: 'serve', id: 'serve', service: 'prices', concurrency: 4 })
  work.send({ type: 'validate', id: 'validate', topic: 'orders', deadlineMs: 1_000, default: 'ignore' })
  await work.expect('validating')
  await page.getByRole('link', { name: 'Services' }).click()
  await page.getByRole('cell', { name: 'prices' }).waitFor()
  await page.getByRole('cell', { name: '0 of 4' }).waitFor()
  await page.getByRole('cell', { name: 'ignore after 1 s' }).waitFor()
  await lookInEachLayout(page, 'services', phoneThenWide)
  await page.getByRole('link', { name: 'Direct messages' }).click()
  await page.getByLabel('Peer id').fill(peer.peerId)
  await page.getByRole('button', { name: 'Send' }).click()
  await page.getByText('delivered').waitFor()
  await lookInEachLayout(page, 'direct', phoneThenWide)
  await page.getByRole('link', { name: 'Tokens' }).click()
  await page.getByLabel('Name').fill('reader')
  await page.getByRole('button', { name: 'Create' }).click()
  await page.getByText('The token of reader, shown only now').waitFor()
  await page.getByRole('button', { name: 'Revoke reader' }).waitFor()
  await lookInEachLayout(page, 'tokens', phoneThenWide)
  await page.getByRole('link', { name: 'Audit' }).click()
  await page.getByText('token.create').or(page.getByText('createToken')).first().waitFor()
  await lookInEachLayout(page, 'audit', phoneThenWide)
  await page.getByRole('link', { name: 'Overview' }).click()
  await page.getByRole('cell', { name: 'disk' }).waitFor()
  await page.getByText(/^3,004 messages, .* free$/).waitFor()
  await lookInEachLayout(page, 'overview', phoneThenWide)

  // Calls of the explorer have the session of the page.
  await page.getByRole('link', { name: 'Explorer' }).click()
  const session = page.frameLocator('iframe').locator('#operations-Access-getSession')
  await session.getByRole('button').first().click()
  await session.getByRole('button', { name: 'Try it out' }).click()
  await session.getByRole('button', { name: 'Execute' }).click()
  await session.locator('.live-responses-table').getByText('"operator"').waitFor()
  expect(await findings(page)).toEqual([])
  await look(page, 'explorer')
  // The frame is as dark as the page.
  const ground = async () => await page.frames().at(-1)?.evaluate<string>('getComputedStyle(document.documentElement).backgroundColor')
  const light = await ground()
  await page.emulateMedia({ colorScheme: 'dark' })
  await expect.poll(ground).toBe('rgb(28, 32, 34)')
  expect(light).not.toBe(await ground())
  await look(page, 'explorer-dark')
  await page.emulateMedia({ colorScheme: 'light' })
  await expect.poll(ground).toBe(light)
  expect(found).toEqual([])
})

test('signs in and out, is accessible in each layout, and outlives a kill of the gateway and a revoked token (needs chromium)', async ({
  skip,
}) => {
  skip(executablePath === undefined, 'there is no chromium')
  const { environment, gateway } = await secureGateway({ PEERGATE_WEBHOOK_ALLOW: '127.0.0.1' })
  const operator = createRest(gateway.url, operatorToken)
  await operator.publish('orders', 'hello')
  const { body: token } = await operator.call<{ id: string; secret: string }>('POST', '/v1/tokens', { name: 'page', actions: ['read'] })
  const browser = await browserForTest()
  const page = await browser.newPage()
  const found = troubles(page)
  await page.goto(gateway.url)
  await page.getByLabel('Token').waitFor()
  expect(await findings(page)).toEqual([])
  await look(page, 'sign-in')
  await page.getByLabel('Token').fill('wrong')
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.getByText('invalid_token').waitFor()
  await signIn(page, token.secret)
  expect(await page.evaluate(() => Reflect.get(globalThis, 'document').cookie)).toBe('')

  await page.getByText(/is linked to 0 peers, has joined 1 topic/).waitFor()
  await page.getByRole('row', { name: 'request: getSession no valid token' }).waitFor()
  // There is nothing that the token does not allow.
  expect(await page.getByRole('navigation').getByRole('link').allTextContents()).toEqual([
    'Overview',
    'Topics',
    'Messages',
    'Consumers',
    'Services',
    'Explorer',
  ])
  expect(await page.getByText('Checks of this gateway').count()).toBe(0)
  await lookInEachLayout(page, 'overview')

  await gateway.end('SIGKILL')
  await page.getByText('The gateway does not answer. This page goes on').waitFor()
  await gatewayForTest(environment)
  await page.getByText('The gateway does not answer. This page goes on').waitFor({ state: 'detached' })

  await operator.call('DELETE', `/v1/tokens/${token.id}`)
  await page.getByText('its token was revoked or has expired').waitFor()
  await signIn(page, operatorToken)
  page.on('dialog', (dialog) => dialog.accept())
  await manageConsumers(page, operator)
  await manageWebhooks(page, operator)
  await page.getByRole('button', { name: 'Sign out' }).click()
  await page.getByText('You have signed out').waitFor()
  expect(found).toEqual([])
})

const layouts = [
  { layout: 'phone', width: 375, colorScheme: 'dark' },
  { layout: 'wide', width: 1_280, colorScheme: 'light' },
  { layout: 'phone', width: 375, colorScheme: 'light' },
  { layout: 'wide', width: 1_280, colorScheme: 'dark' },
] as const
const phoneThenWide = layouts.slice(0, 2)

/** The page is accessible in each layout, and not wider than a phone. */
async function lookInEachLayout(page: Page, name: string, those: ReadonlyArray<(typeof layouts)[number]> = layouts): Promise<void> {
  for (const { layout, width, colorScheme } of those) {
    await page.setViewportSize({ width, height: 800 })
    await page.emulateMedia({ colorScheme })
    // Charts follow the width of the page a moment later.
    await expect.poll(() => page.evaluate(() => Reflect.get(globalThis, 'document').documentElement.scrollWidth)).toBe(width)
    expect(await findings(page)).toEqual([])
    await look(page, `${name}-${layout}-${colorScheme}`)
  }
}

/** Makes a consumer, and changes it; reads, replays and drops a message that it has parked. */
async function manageConsumers(page: Page, operator: Rest): Promise<void> {
  await page.getByRole('link', { name: 'Consumers' }).click()
  await page.getByText('There is no consumer.').waitFor()
  await page.getByLabel('Name').fill('billing')
  await page.getByLabel('Topics and patterns').fill('orders, invoices.>')
  await page.getByRole('combobox', { name: /^Start/ }).selectOption('cursor')
  await page.getByRole('textbox', { name: 'Cursor' }).fill((await operator.get<{ earliest: string }>('/v1/topics/orders')).earliest)
  await page.locator('summary').click()
  await page.getByLabel('Deliveries before parking (0: no limit)').fill('1')
  await page.getByRole('button', { name: 'Create' }).click()
  await page.getByRole('button', { name: 'Open billing' }).click()
  // What was opened has the focus, and gives it back.
  const focused = () => page.evaluate<string>('document.activeElement.ariaLabel')
  await expect.poll(focused).toBe('Consumer billing')
  await page.getByRole('button', { name: 'Close' }).click()
  await expect.poll(focused).toBe('Open billing')
  await page.keyboard.press('Enter')
  await page.getByText('No message is parked.').waitFor()
  async function park(): Promise<void> {
    const { body } = await operator.call<{ items: Array<{ claim: string }> }>('POST', '/v1/consumers/billing/pull')
    const claims = body.items.map(({ claim }) => claim)
    await operator.call('POST', '/v1/consumers/billing/acks', { claims, verdict: 'retry', delayMs: 0 })
    await operator.call('POST', '/v1/consumers/billing/pull')
  }
  await park()
  const parked = page.getByRole('list', { name: 'Parked messages, the oldest first' }).getByRole('listitem')
  await parked.filter({ hasText: '1 delivery' }).filter({ hasText: 'hello' }).waitFor()
  await page.getByRole('button', { name: /^Replay 12D3/ }).click()
  await page.getByText('No message is parked.').waitFor()
  await park()
  await parked.waitFor()
  await page.getByText('2 and 0').waitFor()
  await lookInEachLayout(page, 'consumers', phoneThenWide)
  await page.getByRole('button', { name: /^Drop 12D3/ }).click()
  await page.getByText('No message is parked.').waitFor()
  const opened = page.getByRole('region', { name: 'Consumer billing' })
  await opened.getByLabel('Maximum unacknowledged').fill('7')
  // The list is read again, which leaves what was typed.
  await page.waitForResponse((answer) => answer.url().endsWith('/v1/consumers/billing'))
  await opened.getByRole('button', { name: 'Save' }).click()
  await expect.poll(() => operator.get('/v1/consumers/billing')).toMatchObject({ maxUnacked: 7, parked: 0, maxDeliveries: 1 })
  await opened.getByRole('button', { name: 'Delete billing' }).click()
  await page.getByText('There is no consumer.').waitFor()
}

/** Makes a webhook, tests, pauses and resumes it, replays, and changes its secret and its settings. */
async function manageWebhooks(page: Page, operator: Rest): Promise<void> {
  const received: string[] = []
  const server = createServer(async (request, response) => {
    const { type, items } = webhookBodySchema.parse(await json(request))
    received.push(type, ...items.map(({ data }) => String(data)))
    response.writeHead(request.headers['x-fails'] === undefined ? 200 : 503).end('an answer')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(async () => {
    await server[Symbol.asyncDispose]()
  })
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('The receiver has no port.')

  await page.getByRole('link', { name: 'Webhooks' }).click()
  await page.getByLabel('URL of the receiver').fill(`http://127.0.0.1:${address.port}/hooks`)
  await page.getByLabel('Topics and patterns').fill('orders')
  await page.getByRole('combobox', { name: /^Start/ }).selectOption('earliest')
  await page.getByRole('button', { name: 'Create' }).click()
  await page.getByText(/^The secret of wh_.*, shown only now: whsec_/).waitFor()
  await expect.poll(() => received).toEqual(['messages', 'hello'])
  await page.getByRole('button', { name: /^Open wh_/ }).click()
  const opened = page.getByRole('region', { name: /^Webhook wh_/ })
  await opened.getByRole('button', { name: 'Replay' }).click()
  await expect.poll(() => received).toEqual(['messages', 'hello', 'messages', 'hello'])
  await opened.getByRole('button', { name: 'Send a test' }).click()
  await opened.getByText('The receiver accepted the test: status 200').waitFor()
  await opened.getByText('an answer').waitFor()
  await opened.getByRole('button', { name: 'New secret' }).click()
  await opened.getByText(/^The secret of wh_/).waitFor()
  await opened.getByText('The old secret signs until').waitFor()
  await opened.getByLabel('New header fields').fill('X-Fails: always')
  await opened.getByRole('button', { name: 'Save' }).click()
  await opened.getByText('X-Fails').waitFor()
  await operator.publish('orders', 'refused')
  await opened.getByRole('cell', { name: '503' }).first().waitFor()
  await page.getByRole('cell', { name: 'failing' }).waitFor()
  await lookInEachLayout(page, 'webhooks', phoneThenWide)
  await opened.getByRole('button', { name: 'Pause' }).click()
  await page.getByRole('cell', { name: 'paused' }).waitFor()
  await opened.getByRole('button', { name: 'Resume' }).click()
  await opened.getByRole('button', { name: 'Pause' }).waitFor()
  await opened.getByRole('button', { name: 'Delete' }).click()
  await page.getByText('There is no webhook that this client may see.').waitFor()
}
