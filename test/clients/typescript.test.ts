import { copyFile, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'vitest'
import { gatewayForTest } from '../fixtures/gateway-for-test.ts'
import { quietEnvironment } from '../fixtures/gateway-process.ts'
import { runProgram } from '../fixtures/program.ts'
import { temporaryDirectory } from '../fixtures/temporary.ts'
import { expectSession } from './expected-session.ts'

const repository = fileURLToPath(new URL('../..', import.meta.url))

test('a TypeScript client generated from the contract compiles, and works', async () => {
  const directory = await temporaryDirectory()
  const { url } = await gatewayForTest(quietEnvironment(join(directory, 'data')))
  const node = (...args: string[]) => runProgram(process.execPath, args, { cwd: directory })
  const tool = (name: string) => join(repository, 'node_modules/.bin', name)

  await symlink(join(repository, 'node_modules'), join(directory, 'node_modules'))
  await writeFile(join(directory, 'package.json'), JSON.stringify({ type: 'module', imports: { '#client': './client.ts' } }))
  await writeFile(join(directory, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['*.ts'] }))
  await copyFile(join(repository, 'test/clients/session.ts'), join(directory, 'session.ts'))

  await node(tool('oazapfts'), join(repository, 'openapi.yaml'), 'client.ts')
  await node(tool('tsc'), '-p', '.')
  await expectSession(await node('session.ts', url), url)
})

const compilerOptions = {
  target: 'ES2024',
  module: 'NodeNext',
  types: ['node'],
  strict: true,
  noUncheckedIndexedAccess: true,
  allowImportingTsExtensions: true,
  skipLibCheck: true,
  noEmit: true,
}
