import { execFile, execFileSync } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { chmod, chown, readdir, stat, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, onTestFinished, test } from 'vitest'
import { IdentityInUse, InvalidKeyFile } from '../../src/identity/errors.ts'
import { openIdentity } from '../../src/identity/identity.ts'
import { loadKeyFile } from '../../src/identity/key-file.ts'
import { StartupError } from '../../src/lib/startup-error.ts'
import { smallDisk } from '../fixtures/small-disk.ts'
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

describe('a key that a group may read', () => {
  const ownGroup = process.getgid?.() ?? 0

  test.each([0o440, 0o640])('is taken with mode %o when the process is in the group', async (mode) => {
    const path = await keyFile()
    const seed = await loadKeyFile(path)
    await chown(path, -1, ownGroup)
    await chmod(path, mode)
    expect(await loadKeyFile(path)).toEqual(seed)
  })

  test('is refused when the group may replace it, unless its volume was given to the group', async () => {
    const path = await keyFile()
    const seed = await loadKeyFile(path)
    await chown(path, -1, ownGroup)
    await chmod(path, 0o660)
    await expect(loadKeyFile(path)).rejects.toThrow(/replaced by its group/)
    await chmod(dirname(path), 0o2770)
    expect(await loadKeyFile(path)).toEqual(seed)
  })

  test.runIf(process.getuid?.() === 0)('is refused when the process is not in the group (needs root)', async () => {
    const path = await keyFile()
    await loadKeyFile(path)
    await chown(path, -1, 54_321)
    await chmod(path, 0o440)
    await expect(loadKeyFile(path)).rejects.toThrow(/a group that the gateway is not in/)
  })
})

test('in a directory that nobody can write to it works, and its state is in the data directory (needs leave to mount)', async ({
  skip,
}) => {
  const secrets = await smallDisk(1)
  if (secrets === undefined) return skip('mounting is not allowed here')
  const path = join(secrets, 'peer.key')
  await loadKeyFile(path)
  await chmod(path, 0o400)
  execFileSync('mount', ['-o', 'remount,ro', secrets])
  const dataDir = await temporaryDirectory()
  const first = await openIdentity(path, dataDir)
  const number = first.nextSequence()
  first.close()
  expect(await readdir(secrets)).toEqual(['peer.key'])
  expect(await readdir(dataDir)).toContain('peer.key.state')
  const second = await openIdentity(path, dataDir)
  onTestFinished(() => second.close())
  expect(second.nextSequence() > number).toBe(true)
})

test('a key outside of the data directory is still used by one gateway, and goes on from a state beside it', async () => {
  const path = await keyFile()
  const beside = await openIdentity(path)
  const number = beside.nextSequence()
  const [one, other] = [await temporaryDirectory(), await temporaryDirectory()]
  await expect(openIdentity(path, one)).rejects.toThrow(IdentityInUse)
  beside.close()
  const first = await openIdentity(path, one)
  await expect(openIdentity(path, other)).rejects.toThrow(IdentityInUse)
  expect(first.nextSequence() > number).toBe(true)
  first.close()
})

test('leaves nothing behind when there is no room for a key, and says so (needs leave to mount)', async ({ skip }) => {
  const directory = await smallDisk(1)
  if (directory === undefined) return skip('mounting is not allowed here')
  await expect(writeFile(join(directory, 'ballast'), new Uint8Array(2_000_000))).rejects.toThrow('ENOSPC')
  await expect(loadKeyFile(join(directory, 'peer.key'))).rejects.toThrow(/none can be created because the disk is full/)
  expect(await readdir(directory)).toEqual(['ballast'])
})

test('says of a damaged state where it is, and what to do', async () => {
  const path = await keyFile()
  const identity = await openIdentity(path)
  identity.close()
  await writeFile(`${path}.state`, 'no database, and long enough to be looked at as one would be'.repeat(20))
  await expect(openIdentity(path)).rejects.toThrow(StartupError)
  await expect(openIdentity(path)).rejects.toThrow(/peer\.key\.state is damaged\. Move it away/)
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
