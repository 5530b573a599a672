import { glob, readFile, rm } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { chromium } from 'playwright-core'
import { beforeAll, expect, onTestFinished, test } from 'vitest'
import { executablePath } from '../fixtures/chromium.ts'
import { type GatewayProcess, quietEnvironment, startGateway } from '../fixtures/gateway-process.ts'
import { playGuide } from '../fixtures/guide.ts'
import { makeTemporaryDirectory } from '../fixtures/make-temporary-directory.ts'
import { canRun } from '../fixtures/program.ts'
import { typescriptClient } from '../fixtures/typescript-client.ts'

/** The code blocks of docs/guides, as they stand there. */

const root = fileURLToPath(new URL('../..', import.meta.url))
const read = (path: string) => readFile(join(root, path), 'utf8')

test('each guide is played by a test', async () => {
  const tests = await Array.fromAsync(glob('test/*/guides.test.ts', { cwd: root }))
  const played = (await Promise.all(tests.map(read))).join('\n')
  const pages = (await Array.fromAsync(glob('docs/guides/*.md', { cwd: root }))).map((path) => basename(path, '.md'))
  expect(pages.length).toBeGreaterThan(2)
  expect(pages.filter((page) => !played.includes(`playGuide('${page}'`))).toEqual([])
})

test('a first message', async () => {
  // The package is packed and installed by test/e2e/package.test.ts.
  await playGuide('first-message', { notRun: ['npm ci'] })
})

test('put a browser on it (needs python3 and chromium)', async ({ skip }) => {
  if (executablePath === undefined) return skip('there is no /usr/bin/chromium')
  skip(!(await canRun('python3', ['--version'])), 'there is no python3')
  const { here } = await playGuide('browser')
  const instance = await chromium.launch({ executablePath })
  onTestFinished(() => instance.close())
  const page = await instance.newPage()
  const url = here('http://127.0.0.1:8000/')
  await expect
    .poll(() =>
      fetch(url).then(
        ({ ok }) => ok,
        () => false,
      ),
    )
    .toBe(true)
  await page.goto(url)
  const shown = () => page.locator('li').allTextContents()
  await expect.poll(shown).toEqual(['from the command'])
  await page.getByRole('textbox').fill('<b>from the page</b>')
  await page.getByRole('button').click()
  await expect.poll(shown).toEqual(['from the command', '<b>from the page</b>'])
})

test('run it in production (needs curl and openssl)', async ({ skip }) => {
  skip(!(await canRun('bash', ['-c', 'curl --version && openssl version'])), 'there is no curl, or no openssl')
  const files = ['docker-compose.yml', 'deploy/kubernetes.yaml', 'deploy/helm/values.yaml']
  const commands = await Promise.all(
    files.map(async (file) => /(?<=^#\n)(?:# {3}.+\n)+/m.exec(await read(file))?.[0].replaceAll(/^# {3}/gm, '')),
  )
  // What needs Docker and a cluster is what these files say of themselves.
  await playGuide('production', { notRun: commands.map((text) => text ?? 'no commands') })
})

test('move to libp2p', async () => {
  await playGuide('move-to-libp2p')
})

/** The gateway of those that take one for running; each has topics and services of its own. */
let gateway: GatewayProcess

beforeAll(async () => {
  const directory = await makeTemporaryDirectory()
  gateway = await startGateway(quietEnvironment(directory))
  return async () => {
    await gateway.end('SIGKILL')
    await rm(directory, { recursive: true, force: true })
  }
})

test('follow without losing anything', async () => {
  await playGuide('follow-without-loss', { url: gateway.url, files: typescriptClient, notRun: ['npm pack', 'npm install'] })
})

test('share work between workers (needs curl)', async ({ skip }) => {
  skip(!(await canRun('curl', ['--version'])), 'there is no curl')
  // test/clients-python plays it with Python.
  const notRun = ['python3 bill.py', 'bill.py works', 'peergate publish bills bread', 'bill.py has billed']
  await playGuide('share-work', { url: gateway.url, files: typescriptClient, notRun })
})
