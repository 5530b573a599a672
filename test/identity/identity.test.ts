import { execFile } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { chmod, readdir, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, onTestFinished, test } from 'vitest'
import { IdentityInUse, InvalidKeyFile } from '../../src/identity/errors.ts'
import { openIdentity } from '../../src/identity/identity.ts'
import { loadKeyFile } from '../../src/identity/key-file.ts'
import { temporaryDirectory } from '../fixtures/temporary.ts'

async function keyFile(): Promise<string> {
  return join(await temporaryDirectory(), 'nested', 'peer.key')
}

test('creates a missing key readable by its owner only, and finds the same peer id again', async () => {
  const path = await keyFile()
  const first = await openIdentity(path)
  first.close()
  const second = await openIdentity(path)
  onTestFinished(() => second.close())
  expect(first.peerId).toMatch(/^12D3KooW/)
  expect(second.peerId).toBe(first.peerId)
  expect((await stat(path)).mode & 0o777).toBe(0o600)
})

test('gives everyone who creates the key at the same time the same one', async () => {
  const path = await keyFile()
  const seeds = await Promise.all(Array.from({ length: 10 }, () => loadKeyFile(path)))
  expect(new Set(seeds.map((seed) => Buffer.from(seed).toString('hex'))).size).toBe(1)
  expect(await readdir(join(path, '..'))).toEqual(['peer.key'])
})

test('takes a key made by openssl', async () => {
  const path = join(await temporaryDirectory(), 'peer.key')
  await promisify(execFile)('openssl', ['genpkey', '-algorithm', 'ed25519', '-out', path])
  expect(await loadKeyFile(path)).toHaveLength(32)
})

test('refuses a key that everyone can read', async () => {
  const path = await keyFile()
  await loadKeyFile(path)
  await chmod(path, 0o644)
  await expect(loadKeyFile(path)).rejects.toThrow(InvalidKeyFile)
})

test.each([
  ['nothing', ''],
  ['something else', 'hello'],
  ['a key of another kind', generateKeyPairSync('x25519').privateKey.export({ format: 'pem', type: 'pkcs8' })],
])('refuses a key file that holds %s', async (_, content) => {
  const path = join(await temporaryDirectory(), 'peer.key')
  await writeFile(path, content, { mode: 0o600 })
  await expect(loadKeyFile(path)).rejects.toThrow(InvalidKeyFile)
})

test('refuses a key that another gateway holds, until that one is closed', async () => {
  const path = await keyFile()
  const first = await openIdentity(path)
  await expect(openIdentity(path)).rejects.toThrow(IdentityInUse)
  first.close()
  const second = await openIdentity(path)
  second.close()
})

test('gets a key back whose holder was killed', async () => {
  const path = await keyFile()
  const module = new URL('../../src/identity/identity.ts', import.meta.url).href
  const script = `const { openIdentity } = await import(${JSON.stringify(module)})
    const identity = await openIdentity(${JSON.stringify(path)})
    process.stdout.write(identity.nextSequence() + '\\n', () => process.kill(process.pid, 'SIGKILL'))`
  const dead = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script]).catch((error: unknown) => error)
  expect(dead).toMatchObject({ signal: 'SIGKILL' })
  const identity = await openIdentity(path)
  onTestFinished(() => identity.close())
  const last = typeof dead === 'object' && dead !== null && 'stdout' in dead ? BigInt(String(dead.stdout).trim()) : undefined
  expect(last).toBeTypeOf('bigint')
  expect(identity.nextSequence() > (last ?? 0n)).toBe(true)
})
