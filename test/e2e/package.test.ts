import { execFile, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { cp, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { consoleDirectory } from '../../scripts/build-console.ts'
import { ed25519 } from '../../src/lib/ed25519.ts'
import { quietEnvironment } from '../fixtures/gateway-process.ts'

/** The package, as `npm install peergate` puts it in an empty folder. */

const root = join(import.meta.dirname, '../..')
const execute = promisify(execFile)

/** MiB that the package may have, unpacked, without the packages that it depends on. */
const maxSize = 16

interface Packed {
  filename: string
  unpackedSize: number
  files: { path: string }[]
}

let packed: Packed
let installed: string
/** When the folder of the console was made, before and after the package was. */
const consoleMade: number[] = []

/** A Node that is older than the one that a gateway needs, if this machine has one. */
const olderNode = (process.env['PATH'] ?? '')
  .split(delimiter)
  .map((directory) => join(directory, 'node'))
  .find((node) => existsSync(node) && Number(execFileSync(node, ['-p', 'process.versions.node.split(".")[0]'], { encoding: 'utf8' })) < 24)

/** What a program needs of the environment of whoever runs the tests, with a cache of its own. */
const bare = { PATH: process.env['PATH'] ?? '', HOME: process.env['HOME'] ?? '', XDG_CACHE_HOME: '' }

// To build and to install takes a busy machine minutes.
beforeAll(async () => {
  const directory = await mkdtemp(join(tmpdir(), 'peergate-test-'))
  consoleMade.push((await stat(consoleDirectory)).birthtimeMs)
  const { stdout } = await execute('npm', ['pack', '--json', '--pack-destination', directory], { cwd: root, maxBuffer: 64 << 20 })
  const [result]: Packed[] = JSON.parse(stdout.slice(stdout.indexOf('[')))
  if (result === undefined) throw new Error('nothing was packed')
  packed = result
  consoleMade.push((await stat(consoleDirectory)).birthtimeMs)
  installed = join(directory, 'installed')
  await mkdir(installed)
  bare.XDG_CACHE_HOME = join(directory, 'cache')
  await writeFile(join(installed, 'package.json'), '{"name": "somebody", "type": "module", "private": true}')
  await cp(join(root, '.npmrc'), join(installed, '.npmrc'))
  await execute('npm', ['install', '--no-audit', '--no-fund', '--prefer-offline', join(directory, packed.filename)], { cwd: installed })
}, 480_000)

afterAll(() => rm(join(installed, '..'), { recursive: true, force: true }))

test('has what a gateway needs, and no more', () => {
  expect(packed.unpackedSize / 1024 / 1024).toBeLessThan(maxSize)
  const folders = new Set(packed.files.map(({ path }) => path.split('/')[0]))
  expect([...folders].toSorted()).toEqual([
    'LICENSE',
    'README.md',
    'asyncapi.yaml',
    'bin',
    'dist',
    'openapi.yaml',
    'package.json',
    'prisma',
  ])
})

test('is made while gateways of the same checkout have their console', () => {
  expect(consoleMade).toEqual([consoleMade[0], consoleMade[0]])
})

test('starts a gateway by its command, which publishes to it, reads back and ends it', async () => {
  const command = join(installed, 'node_modules/.bin/peergate')
  const gateway = spawn(command, ['start'], { cwd: installed, env: { ...bare, ...quietEnvironment(join(installed, 'data')) } })
  const closed = once(gateway, 'close')
  const url = await listening(gateway.stdout)
  const { stdout } = await execute('npx', ['--no-install', 'peergate', '--url', url, 'publish', 'orders', 'hello'], {
    cwd: installed,
    env: bare,
  })
  expect(stdout).toMatch(/^\S+\t\S+\n$/)
  const history = await execute(command, ['--url', url, 'history', 'orders', '--template', '{topic} {data}'], { env: bare })
  expect(history.stdout).toBe('orders hello\n')
  gateway.kill('SIGTERM')
  expect(await closed).toEqual([0, null])
})

test('keeps what a start compiled, also if the gateway is killed later, and the next start uses it', async () => {
  const cache = join(installed, 'cache')
  const env = { ...bare, ...quietEnvironment(join(installed, 'kept')), XDG_CACHE_HOME: cache, NODE_DEBUG_NATIVE: 'COMPILE_CACHE' }
  const start = () => spawn(join(installed, 'node_modules/.bin/peergate'), ['start'], { cwd: installed, env })
  const killed = start()
  let said = ''
  killed.stderr.setEncoding('utf8').on('data', (more) => {
    said += more
  })
  await listening(killed.stdout)
  const kept = () => /reading cache from (\S+) for ESM \S*open-gateway/.exec(said)?.[1] ?? ''
  await expect.poll(() => existsSync(kept())).toBe(true)
  killed.kill('SIGKILL')
  await once(killed, 'close')
  const second = start()
  const [notes] = await Promise.all([text(second.stderr), listening(second.stdout).then(() => second.kill('SIGTERM'))])
  expect(notes).toMatch(/open-gateway.*\.js was accepted/)
})

test('runs in another program as a library, with types', async () => {
  await writeFile(
    join(installed, 'library.ts'),
    `import { createGateway, type RunningGateway } from 'peergate'
await using gateway: RunningGateway = await createGateway({ settings: { PEERGATE_DATA_DIR: 'library', PEERGATE_HTTP_PORT: '0', PEERGATE_MDNS: 'false', PEERGATE_LISTEN: '/ip4/127.0.0.1/tcp/0/ws' } })
const answer = await fetch(\`\${gateway.url}/v1/topics/orders/messages\`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"data":"x"}' })
console.log(answer.status, gateway.peerId.length)
`,
  )
  const { stdout } = await execute(process.execPath, ['library.ts'], { cwd: installed, env: bare })
  expect(stdout).toBe('201 52\n')
  await symlink(join(root, 'node_modules/@types'), join(installed, 'node_modules/@types')).catch(() => undefined)
  const options = [
    '--noEmit',
    '--strict',
    '--target',
    'ES2024',
    '--lib',
    'ES2024,ESNext.Disposable',
    '--module',
    'NodeNext',
    '--types',
    'node',
  ]
  await execute(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), ...options, 'library.ts'], { cwd: installed })
})

test.skipIf(olderNode === undefined)(
  'runs on the Node that comes along when that of the host is too old (needs an older Node)',
  async () => {
    const { stdout } = await execute(olderNode ?? '', [join(installed, 'node_modules/peergate/bin/peergate.js'), '--version'], {
      env: { ...bare, XDG_CACHE_HOME: join(installed, 'older') },
    })
    // It is the same script, which keeps what it compiles.
    expect(await readdir(join(installed, 'older/peergate'))).toHaveLength(1)
    const { version }: { version: string } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'))
    expect(stdout.trim()).toBe(version)
  },
)

/** The URL that a gateway tells when it listens. */
async function listening(output: Readable): Promise<string> {
  let seen = ''
  for await (const line of createInterface({ input: output })) {
    seen += `${line}\n`
    if (!line.includes('"msg":"listening"')) continue
    const { url, signatures }: { url: string; signatures: string } = JSON.parse(line)
    // The package finds the native part of its optional dependency as the checkout does.
    expect(signatures).toBe(ed25519.library)
    output.resume()
    return url
  }
  throw new Error(`the gateway ended before it listened:\n${seen}`)
}
