import { expect, test } from 'vitest'
import { maxLines } from '../../console/tail.ts'
import { executablePath } from '../fixtures/chromium.ts'
import { browserForTest, operatorToken, secureGateway, signIn, troubles } from '../fixtures/console-page.ts'
import { gatewayForTest } from '../fixtures/gateway-for-test.ts'
import { createRest } from '../fixtures/rest.ts'

/** Messages of a request, and requests at a time: together more than the page draws in one go. */
const batch = 500
const writers = 4
/** A page that stays alive ends the flood long before. */
const maxBatches = 200
/** Stored messages: many more than the page keeps. */
const replayed = 20_000

/** Keeps in the page every different message that it has drawn. */
const keepDrawn = `
  globalThis.drawn = new Set()
  new MutationObserver(() => {
    for (const { textContent } of document.querySelectorAll('.message > pre')) drawn.add(textContent)
  }).observe(document.body, { subtree: true, childList: true, characterData: true })
`

test('the tail answers clicks under a flood, says how many messages it did not draw, and goes on exactly after a kill of the gateway (needs chromium)', async ({
  skip,
}) => {
  skip(executablePath === undefined, 'there is no chromium')
  const { environment, gateway } = await secureGateway({ PEERGATE_TOKEN_RATE: '1000000', PEERGATE_ADDRESS_RATE: '1000000' })
  const operator = createRest(gateway.url, operatorToken)
  const page = await (await browserForTest()).newPage()
  const found = troubles(page)
  await page.goto(`${gateway.url}/#/messages?topic=flood`)
  await signIn(page, operatorToken, 'Messages')
  await page.getByRole('button', { name: 'Follow' }).click()
  await page.getByText('Each new message appears here.').waitFor()
  await operator.publish('flood', 'the first')
  await page.getByText('1 message received').waitFor()

  let stored = 1
  let batches = 0
  let isFlooding = true
  const messages = Array.from({ length: batch }, (_, index) => ({ topic: 'flood', data: `number ${index}` }))
  const flood = Array.from({ length: writers }, async () => {
    while (isFlooding && ++batches <= maxBatches) {
      const { status } = await operator.call('POST', '/v1/messages', { messages })
      expect(status).toBe(201)
      stored += batch
    }
  })
  await page.getByText('came too fast to be shown').waitFor()
  await page.getByRole('button', { name: 'Pause' }).click()
  await page.getByRole('button', { name: 'Resume' }).waitFor()
  // The page was not merely done with it.
  expect(batches).toBeLessThan(maxBatches)
  isFlooding = false
  await Promise.all(flood)
  await page.getByRole('button', { name: 'Resume' }).click()
  await page.getByText(`${stored.toLocaleString('en')} messages received`).waitFor()
  await expect.poll(() => page.locator('.message').count()).toBe(batch)

  await page.getByRole('button', { name: 'Clear' }).click()
  await operator.publish('flood', 'before the kill')
  const texts = () => page.locator('.message > pre').allTextContents()
  await expect.poll(texts).toEqual(['before the kill'])
  await gateway.end('SIGKILL')
  await page.getByText('The gateway does not answer. This page goes on').waitFor()
  await gatewayForTest(environment)
  await operator.publish('flood', 'after the kill')
  await expect.poll(texts).toEqual(['after the kill', 'before the kill'])
  await page.getByText('The gateway does not answer. This page goes on').waitFor({ state: 'detached' })
  await page.getByText(`${(stored + 2).toLocaleString('en')} messages received`).waitFor()
  expect(found).toEqual([])
})

test('the tail replays stored messages faster than they can be read: it receives each, shows or counts each, and pauses at a click in between (needs chromium)', async ({
  skip,
}) => {
  skip(executablePath === undefined, 'there is no chromium')
  const { gateway } = await secureGateway({ PEERGATE_TOKEN_RATE: '1000000', PEERGATE_ADDRESS_RATE: '1000000' })
  const operator = createRest(gateway.url, operatorToken)
  for (let stored = 0; stored < replayed; stored += batch) {
    const messages = Array.from({ length: batch }, (_, index) => ({ topic: 'flood', data: `number ${stored + index}` }))
    expect((await operator.call('POST', '/v1/messages', { messages })).status).toBe(201)
  }
  const page = await (await browserForTest()).newPage()
  const found = troubles(page)
  await page.goto(`${gateway.url}/#/messages?topic=flood`)
  await signIn(page, operatorToken, 'Messages')
  await page.evaluate(keepDrawn)
  await page.getByLabel('Start at').fill('2000-01-01T00:00:00')
  await page.getByRole('button', { name: 'Follow' }).click()
  await page.getByText(/[1-9][\d,]* messages? received/).waitFor()
  await page.getByRole('button', { name: 'Pause' }).click()
  const received = page.getByText(/messages? received/)
  await page.getByRole('button', { name: 'Resume' }).waitFor()
  const atPause = await received.textContent()
  await operator.publish('flood', `number ${replayed}`)
  expect(await received.textContent()).toBe(atPause)
  await page.getByRole('button', { name: 'Resume' }).click()
  await page.getByText(`${(replayed + 1).toLocaleString('en')} messages received`).waitFor()
  await expect.poll(() => page.locator('.message').count()).toBe(maxLines)
  const [, dropped] = /([\d,]+) messages? came too fast to be shown/.exec((await received.textContent()) ?? '') ?? []
  expect(Number(await page.evaluate('drawn.size')) + Number(dropped?.replaceAll(',', ''))).toBe(replayed + 1)
  expect(found).toEqual([])
})
