import { existsSync } from 'node:fs'
import { mkdir, readdir, readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { type Browser, chromium, type Page } from 'playwright-core'
import { expect, onTestFinished, test } from 'vitest'
import { consoleDirectory } from '../../scripts/build-console.ts'
import { freePort } from '../fixtures/free-port.ts'
import { gatewayForTest } from '../fixtures/gateway-for-test.ts'
import { quietEnvironment } from '../fixtures/gateway-process.ts'
import { createRest } from '../fixtures/rest.ts'
import { temporaryDirectory } from '../fixtures/temporary.ts'

const executablePath = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(existsSync)
const operatorToken = 'the-token-of-the-operator'
/** Where screenshots of each page are kept, to be looked at. */
const screenshots = process.env['PEERGATE_TEST_SCREENSHOTS']
const axe = createRequire(import.meta.url).resolve('axe-core')

async function browserForTest(): Promise<Browser> {
  const browser = await chromium.launch({ executablePath: executablePath ?? '' })
  onTestFinished(() => browser.close())
  return browser
}

async function secureGateway() {
  const environment = {
    ...quietEnvironment(join(await temporaryDirectory(), 'data')),
    PEERGATE_HTTP_PORT: String(await freePort()),
    PEERGATE_ADMIN_TOKEN: operatorToken,
  }
  return { environment, gateway: await gatewayForTest(environment) }
}

async function signIn(page: Page, token: string): Promise<void> {
  await page.getByLabel('Token').fill(token)
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.getByRole('heading', { name: 'Overview', exact: true }).waitFor()
}

/** What axe finds, by rule, with the elements. Playwright evaluates beside the policy of the page. */
async function findings(page: Page): Promise<string[]> {
  await page.evaluate(await readFile(axe, 'utf8'))
  return await page.evaluate(async () => {
    // The page has it as a global.
    const { violations } = await Reflect.get(globalThis, 'axe').run()
    return violations.flatMap((rule: { id: string; nodes: Array<{ html: string }> }) => rule.nodes.map(({ html }) => `${rule.id}: ${html}`))
  })
}

async function look(page: Page, name: string): Promise<void> {
  if (screenshots === undefined) return
  await mkdir(screenshots, { recursive: true })
  await page.screenshot({ path: join(screenshots, `${name}.png`), fullPage: true })
}

/** Everything that breaks the policy of the page or fails in it. */
function troubles(page: Page): string[] {
  const found: string[] = []
  page.on('pageerror', (error) => found.push(String(error)))
  page.on('console', (line) => {
    if (/Content Security Policy/.test(line.text())) found.push(line.text())
  })
  return found
}

test('the console is smaller than 200 kB, compressed', async () => {
  const files = (await readdir(consoleDirectory)).filter((file) => file !== 'licenses.txt')
  const sizes = await Promise.all(files.map(async (file) => gzipSync(await readFile(join(consoleDirectory, file))).length))
  expect(files.toSorted()).toEqual(['console.css', 'console.js', 'index.html'])
  expect(sizes.reduce((total, size) => total + size, 0)).toBeLessThan(200_000)
})

test('follows a topic live, pauses and resumes without a loss, and publishes (needs chromium)', async ({ skip }) => {
  skip(executablePath === undefined, 'there is no chromium')
  const { gateway } = await secureGateway()
  const operator = createRest(gateway.url, operatorToken)
  await operator.publish('orders', 'stored before')
  const page = await (await browserForTest()).newPage()
  const found = troubles(page)
  await page.goto(gateway.url)
  await signIn(page, operatorToken)
  await page.getByRole('link', { name: 'Topics' }).click()
  await page.getByRole('link', { name: 'orders' }).waitFor()
  expect(await findings(page)).toEqual([])
  await look(page, 'topics')
  await page.getByRole('link', { name: 'orders' }).click()
  await page.getByLabel('From, or else now').fill('2020-01-01T00:00:00')
  await page.getByRole('button', { name: 'Follow' }).click()
  const texts = () => page.locator('.message > pre').allTextContents()
  await expect.poll(texts).toEqual(['stored before'])
  await page.getByRole('button', { name: 'Pause' }).click()
  await page.getByRole('button', { name: 'Resume' }).waitFor()
  await operator.publish('orders', 'while it paused')
  await page.getByLabel('Data').fill('{"from":"the page"}')
  await page.getByLabel('Format').selectOption('JSON')
  await page.getByRole('button', { name: 'Publish' }).click()
  await page.getByText('It is stored, and was handed to 0 peers').waitFor()
  expect(await texts()).toEqual(['stored before'])
  await page.getByRole('button', { name: 'Resume' }).click()
  await expect.poll(texts).toEqual(['{\n  "from": "the page"\n}', 'while it paused', 'stored before'])
  await page.locator('.message > button').first().click()
  await page.getByText('curl -H').waitFor()
  expect(await findings(page)).toEqual([])
  await look(page, 'messages')

  // More than the list keeps, faster than the page draws: what it leaves out is counted.
  const many = Array.from({ length: 500 }, (_, index) => ({ topic: 'orders', data: `number ${index}` }))
  for (let round = 0; round < 6; round++) await operator.call('POST', '/v1/messages', { messages: many })
  await page.getByText('3,003 messages received').waitFor()
  expect(await page.locator('.message').count()).toBe(500)
  await page.getByLabel('Only with').fill('number 499')
  await expect.poll(texts).toEqual(['number 499'])

  const peer = await gatewayForTest({
    ...quietEnvironment(join(await temporaryDirectory(), 'data')),
    PEERGATE_BOOTSTRAP: gateway.multiaddrs.join(),
  })
  await page.getByRole('link', { name: 'Network' }).click()
  await page.getByTitle(peer.peerId).waitFor()
  await page.getByRole('button', { name: `Label ${peer.peerId}` }).click()
  await page.getByLabel('Label, or nothing').fill('neighbour')
  await page.getByRole('button', { name: 'Save' }).click()
  await page.getByRole('cell', { name: /neighbour/ }).waitFor()
  expect(await findings(page)).toEqual([])
  await look(page, 'network')
  await page.getByRole('link', { name: 'Direct messages' }).click()
  await page.getByLabel('Peer id').fill(peer.peerId)
  await page.getByRole('button', { name: 'Send' }).click()
  await page.getByText('delivered').waitFor()
  expect(await findings(page)).toEqual([])
  await look(page, 'direct')
  await page.getByRole('link', { name: 'Tokens' }).click()
  await page.getByLabel('Name').fill('reader')
  await page.getByRole('button', { name: 'Make' }).click()
  await page.getByText('The token of reader, shown only now').waitFor()
  await page.getByRole('button', { name: 'Revoke reader' }).waitFor()
  expect(await findings(page)).toEqual([])
  await look(page, 'tokens')
  await page.getByRole('link', { name: 'Audit' }).click()
  await page.getByText('token.create').or(page.getByText('createToken')).first().waitFor()
  expect(await findings(page)).toEqual([])
  await look(page, 'audit')
  expect(found).toEqual([])
})

test('signs in and out, is accessible in each layout, and outlives a kill of the gateway and a revoked token (needs chromium)', async ({
  skip,
}) => {
  skip(executablePath === undefined, 'there is no chromium')
  const { environment, gateway } = await secureGateway()
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
  await page.getByText('getSession: status 401').waitFor()
  for (const [layout, width] of Object.entries({ wide: 1_280, phone: 375 })) {
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.setViewportSize({ width, height: 800 })
      await page.emulateMedia({ colorScheme })
      expect(await findings(page)).toEqual([])
      await look(page, `overview-${layout}-${colorScheme}`)
    }
  }
  // No page is wider than the phone.
  expect(await page.evaluate(() => Reflect.get(globalThis, 'document').documentElement.scrollWidth)).toBe(375)

  await gateway.end('SIGKILL')
  await page.getByText('The gateway does not answer. This page goes on').waitFor()
  await gatewayForTest(environment)
  await page.getByText('The gateway does not answer. This page goes on').waitFor({ state: 'detached' })

  await operator.call('DELETE', `/v1/tokens/${token.id}`)
  await page.getByText('its token was revoked or has expired').waitFor()
  await signIn(page, operatorToken)
  await page.getByRole('button', { name: 'Sign out' }).click()
  await page.getByText('You have signed out').waitFor()
  expect(found).toEqual([])
})
