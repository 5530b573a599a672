import { copyFile, glob, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, type TestContext, test, vi } from 'vitest'
import { makeTemporaryDirectory } from '../fixtures/make-temporary-directory.ts'
import { npmToolsOrSkip } from '../fixtures/npm-tools.ts'
import { canRun, runProgram } from '../fixtures/program.ts'
import { pythonEnvironment } from '../fixtures/python-environment.ts'

const repository = fileURLToPath(new URL('../..', import.meta.url))
const sources = fileURLToPath(new URL('asyncapi', import.meta.url))

// The first run installs the generators.
vi.setConfig({ testTimeout: 300_000 })

/** Of the generated types, which the tests share. */
let directory: string
beforeAll(async () => {
  directory = await makeTemporaryDirectory()
})
afterAll(() => rm(directory, { recursive: true, force: true }))

interface Generated {
  diagnostics: Array<{ code: string; message: string }>
  examples: Array<{ title: string; payload: object }>
}

let generating: Promise<Generated> | undefined

/** Makes types in all languages for the first test that asks. */
function generate(skip: TestContext['skip']): Promise<Generated> {
  generating ??= generateTypes(skip)
  return generating
}

async function generateTypes(skip: TestContext['skip']): Promise<Generated> {
  const tools = await npmToolsOrSkip(sources, skip)
  await runProgram(process.execPath, [join(sources, 'generate.mjs'), tools, join(repository, 'asyncapi.yaml'), directory])
  const read = async (file: string) => JSON.parse(await readFile(join(directory, file), 'utf8'))
  return { diagnostics: await read('diagnostics.json'), examples: await read('examples.json') }
}

const files = (pattern: string) => Array.fromAsync(glob(pattern, { cwd: directory }), (file) => join(directory, file))
const inLanguage = (program: string, ...args: string[]) => runProgram(program, args, { cwd: directory })

test('the parser of AsyncAPI has nothing to say but that there is a newer version', async ({ skip }) => {
  const { diagnostics, examples } = await generate(skip)
  expect(diagnostics.filter(({ code }) => code !== 'asyncapi-latest-version')).toEqual([])
  expect(examples.length).toBeGreaterThan(30)
})

test('the types have the names of the contract', async ({ skip }) => {
  const { examples } = await generate(skip)
  const names = (await files('typescript/json/*.ts')).map((file) => /(\w+)\.ts$/.exec(file)?.[1])
  expect(names).toEqual(expect.arrayContaining(examples.map(({ title }) => title)))
  expect(names.filter((name) => /Anonymous/.test(name ?? ''))).toEqual([])
})

test('TypeScript types compile, and each example is of its type', async ({ skip }) => {
  const { examples } = await generate(skip)
  const program = [
    ...examples.map(({ title }) => `import type { ${title} } from './json/${title}'`),
    "import type { Stream } from './json/Stream'",
    ...examples.map(({ title, payload }, index) => `export const example${index}: ${title} = ${JSON.stringify(payload)}`),
    `export const frames: Stream[] = ${JSON.stringify(examples.filter(({ title }) => title.startsWith('Server')).map(({ payload }) => payload))}`,
    "export const peers = frames.flatMap((frame) => (frame.type === 'peer' ? [frame.peer.peerId] : []))",
  ]
  await writeFile(join(directory, 'typescript/examples.ts'), program.join('\n'))
  const options = ['--noEmit', '--strict', '--module', 'esnext', '--moduleResolution', 'bundler', '--target', 'es2022']
  await inLanguage(process.execPath, join(repository, 'node_modules/.bin/tsc'), ...options, ...(await files('typescript/**/*.ts')))
})

test('Python types compile, and read and write each example', async ({ skip }) => {
  const { examples } = await generate(skip)
  const python = join(await pythonEnvironment('pydantic==2.13.4', skip), 'bin/python')
  await inLanguage(python, '-m', 'compileall', '-q', 'python')
  expect(await inLanguage(python, join(sources, 'read.py'), 'python/json', 'examples.json')).toBe(String(examples.length))
})

test('Go types compile, and read and write each example', async ({ skip }) => {
  const { examples } = await generate(skip)
  if (!(await canRun('go', ['version']))) skip('there is no go')
  const types = examples.map(({ title }) => `"${title}": reflect.TypeOf(peergate.${title}{}),`)
  const text = `package main\n\nimport (\n"reflect"\n"stream/peergate"\n)\n\nvar types = map[string]reflect.Type{\n${types.join('\n')}\n}\n`
  await writeFile(join(directory, 'go/json/types.go'), text)
  await copyFile(join(sources, 'read.go'), join(directory, 'go/json/read.go'))
  const go = (variant: string, ...args: string[]) => runProgram('go', args, { cwd: join(directory, 'go', variant) })
  for (const variant of ['plain', 'json']) {
    await writeFile(join(directory, 'go', variant, 'go.mod'), 'module stream\n\ngo 1.21\n')
    await go(variant, 'vet', './...')
  }
  expect(await go('json', 'run', '.', '../../examples.json')).toBe(String(examples.length))
})

test('Java types compile, and read and write each example', async ({ skip }) => {
  const { examples } = await generate(skip)
  if (!(await canRun('javac', ['-version']))) skip('there is no javac')
  const jackson = await jacksonJar(skip)
  await inLanguage('javac', '-d', 'java/classes/plain', ...(await files('java/plain/**/*.java')))
  const classes = join(directory, 'java/classes/json')
  await mkdir(classes, { recursive: true })
  const path = ['-cp', `${classes}:${jackson}`]
  await inLanguage('javac', ...path, '-d', classes, ...(await files('java/json/**/*.java')), join(sources, 'Read.java'))
  expect(await inLanguage('java', ...path, 'Read', 'examples.json')).toBe(String(examples.length))
})

/** The jar of OpenAPI Generator, of which Jackson is a part. */
async function jacksonJar(skip: TestContext['skip']): Promise<string> {
  const environment = await pythonEnvironment('openapi-generator-cli==7.26.0', skip)
  const [jar] = await Array.fromAsync(glob('lib/*/site-packages/openapi_generator_cli/*.jar', { cwd: environment }))
  if (jar === undefined) throw new Error('openapi-generator-cli has no jar')
  return join(environment, jar)
}
