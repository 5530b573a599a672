import { mkdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { chosenContext, isContextName, readContexts, writeContexts } from '../../src/cli/contexts.ts'
import { temporaryDirectory } from '../fixtures/temporary.ts'

const far = { url: 'https://far.example', token: 'far-token' }

async function withContexts() {
  const env = { XDG_CONFIG_HOME: await temporaryDirectory() }
  await writeContexts(env, { current: 'far', contexts: { far, other: { url: 'http://other.example' } } })
  return env
}

test('flags win over the environment, which wins over the context in use', async () => {
  const env = await withContexts()
  expect(await chosenContext({}, env)).toEqual(far)
  expect(await chosenContext({ context: 'other' }, { ...env, PEERGATE_URL: 'http://env.example' })).toEqual({ url: 'http://other.example' })
  const named = { ...env, PEERGATE_URL: 'http://env.example', PEERGATE_TOKEN: 'env-token' }
  expect(await chosenContext({}, named)).toEqual({ url: 'http://env.example', token: 'env-token' })
  expect(await chosenContext({ url: 'http://flag.example' }, named)).toEqual({ url: 'http://flag.example', token: 'env-token' })
  expect(await chosenContext({}, { XDG_CONFIG_HOME: await temporaryDirectory() })).toEqual({ url: 'http://127.0.0.1:7070' })
})

test('the token of a context is sent to no other gateway', async () => {
  const env = await withContexts()
  expect(await chosenContext({ url: 'http://stranger.example' }, env)).toEqual({ url: 'http://stranger.example' })
  expect(await chosenContext({}, { ...env, PEERGATE_URL: 'http://stranger.example' })).toEqual({ url: 'http://stranger.example' })
})

test('contexts are readable for their owner only, and a file that is none is named', async () => {
  const env = await withContexts()
  const file = join(env.XDG_CONFIG_HOME, 'peergate/contexts.json')
  expect((await stat(file)).mode & 0o777).toBe(0o600)
  expect(JSON.parse(await readFile(file, 'utf8'))).toEqual(await readContexts(env))
  const broken = { XDG_CONFIG_HOME: await temporaryDirectory() }
  await mkdir(join(broken.XDG_CONFIG_HOME, 'peergate'))
  await writeFile(join(broken.XDG_CONFIG_HOME, 'peergate/contexts.json'), '{"contexts": 3}')
  await expect(readContexts(broken)).rejects.toThrow(/contexts\.json is not a file of contexts/)
})

test.each(['', '-x', 'a b', 'a/b', 'x'.repeat(65)])('%j is no name of a context', (name) => {
  expect(isContextName(name)).toBe(false)
})
