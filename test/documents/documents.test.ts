import { existsSync } from 'node:fs'
import { glob, readFile, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { environmentSchema } from '../../src/config/environment.ts'
import { defaultLimits, limitVariable } from '../../src/limits.ts'
import { clientFrameSchema } from '../../src/stream/client-frames.ts'
import { closeCodes } from '../../src/stream/close-codes.ts'
import { serverAnswers } from '../../src/stream/frame-answers.ts'
import { serverFrameSchema } from '../../src/stream/server-frames.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const read = (path: string) => readFile(`${root}${path}`, 'utf8')

test.each(['docs/faults.md', 'docs/invariants.md'])('the tests that %s names are there', async (path) => {
  const text = await read(path)
  const named = [...text.matchAll(/`(test\/[^`]*)`/g)].map(([, file = '']) => file)
  expect(named.length).toBeGreaterThan(20)
  const missing = await Array.fromAsync(new Set(named), async (file) =>
    (await Array.fromAsync(glob(file, { cwd: root }))).length === 0 ? [file] : [],
  )
  expect(missing.flat()).toEqual([])
})

test('the table of variables shows the default of each that has one', async () => {
  const rows = new Map(
    [...(await read('README.md')).matchAll(/^\| `([A-Z0-9_]+)` \| (?:`([^`]*)`)? \| [A-Z`].+ \|$/gm)].map(([, name = '', shown = '']) => [
      name,
      shown,
    ]),
  )
  const inForce = Object.entries(environmentSchema.parse({})).map(([name, value]) => [name, String(value ?? '')])
  expect(Object.fromEntries(rows)).toEqual({
    ...Object.fromEntries(Object.keys(environmentSchema.shape).map((name) => [name, ''])),
    ...Object.fromEntries(inForce),
  })
  expect(rows.get('PEERGATE_HTTP_PORT')).toBe('7070')
})

test('docs/limits.md shows the default of each limit, with its unit', async () => {
  const page = await read('docs/limits.md')
  const rows = [...page.matchAll(/^\| `(\w+)` \| `(\w+)` \| ([\d,]+)(?: (\S+))? \| .+ \|$/gm)]
  const shown = rows.map(([, name, variable, value = '']) => [name, variable, Number(value.replaceAll(',', ''))])
  expect(shown).toEqual(Object.entries(defaultLimits).map(([name, value]) => [name, limitVariable(name), value]))
  const units = rows.filter(([, name = '']) => /Ms$|Bytes|Percent|Rate|Burst/.test(name)).map(([, , , , unit]) => unit)
  expect(units).not.toContain(undefined)
})

test('docs/stream-protocol.md has each frame and each close code', async () => {
  const page = await read('docs/stream-protocol.md')
  const rows = [...page.matchAll(/^\| `?([\w-]+)`? \|/gm)].map(([, first = '']) => first)
  // The answer to a frame of the client is in the row of that frame.
  const types = [...clientFrameSchema.options, ...serverFrameSchema.options].map(({ shape }) => shape.type.value)
  const answers: string[] = Object.values(serverAnswers)
  expect(types.filter((type) => !rows.includes(type) && !answers.includes(type))).toEqual([])
  expect(answers.filter((type) => !page.includes(`\`${type}\``))).toEqual([])
  const codes = rows.filter((first) => /^\d{4}$/.test(first)).map(Number)
  expect(codes).toEqual(
    Object.values(closeCodes)
      .map(({ code }) => code)
      .toSorted((a, b) => a - b),
  )
})

describe('pages', async () => {
  const exclude = ['**/node_modules/**']
  const pages = await Array.fromAsync(glob(['*.md', '{.github,docs,test}/**/*.md'], { cwd: root, exclude }))
  const files = await Array.fromAsync(glob(['*.*', '{bench,deploy,docs,examples,prisma,scripts,src,test}/**/*.*'], { cwd: root, exclude }))
  const within = (file: string) => files.some((each) => each === file || each.endsWith(`/${file}`))

  test('name files and link pages that are there', async () => {
    const missing = await Array.fromAsync(pages, async (page) => {
      // Diffs show what would be added.
      const text = (await read(page)).replaceAll(/^```diff$.*?^```$/gms, '')
      const named = [...text.matchAll(/`([\w/.-]+\/[\w.-]+\.(?:ts|md|yml|json|conf))`/g)].map(([, file = '']) => file)
      const linked = [...text.matchAll(/\]\(([^)#:\s]+)(?:#[^)]*)?\)/g)].map(([, file = '']) => join(dirname(page), file))
      return [...named.filter((file) => !within(file.replace(/^(\.\.\/)+/, ''))), ...linked.filter((file) => !existsSync(join(root, file)))]
    })
    expect(pages.length).toBeGreaterThan(20)
    expect(missing.flat()).toEqual([])
  })

  test('of docs are in an index', async () => {
    for (const index of ['docs', 'docs/decisions', 'docs/contributing']) {
      const text = await read(`${index}/README.md`)
      const folders = index === 'docs' ? [index, 'docs/guides'] : [index]
      const below = pages.filter((page) => folders.includes(dirname(page)) && page !== `${index}/README.md`)
      expect(below.filter((page) => !text.includes(`](${page.slice(index.length + 1)})`))).toEqual([])
    }
  })
})

test('each picture is shown by a document, and smaller than 200 kB', async () => {
  const documents = await Array.fromAsync(glob('{*.md,docs/**/*.md}', { cwd: root }))
  const shown = await Promise.all(
    documents.map(async (page) =>
      [...(await read(page)).matchAll(/!\[[^\]]+\]\(([^)]+)\)/g)].map(([, file = '']) => join(dirname(page), file)),
    ),
  )
  const pictures = await Array.fromAsync(glob('docs/images/*', { cwd: root }))
  expect(pictures).not.toEqual([])
  expect(pictures.filter((picture) => !shown.flat().includes(picture))).toEqual([])
  const sizes = await Promise.all(pictures.map(async (picture) => (await stat(join(root, picture))).size))
  expect(sizes.filter((size) => size >= 200_000)).toEqual([])
})

test('the container for development has the packages that the gate installs', async () => {
  const gate = await read('.ci/run')
  const tools = /for tool in ([^;]+); do/.exec(gate)?.[1]?.split(' ') ?? []
  const packages = [...gate.matchAll(/missing\+=\(([a-z][^)]*)\)/g)].flatMap(([, names = '']) => names.split(' '))
  const installed = /apt-get install -y -qq ([^"]+)"/.exec(await read('.devcontainer/devcontainer.json'))?.[1]?.split(' ')
  expect(installed?.toSorted()).toEqual([...tools, ...packages].toSorted())
})

test('docs/clients.md has each client of examples/clients, with the version that builds it', async () => {
  const rows = [...(await read('docs/clients.md')).matchAll(/^\| \w+ \| `([\w-]+)` \| [^|]+ \| ([^|]+) \|/gm)]
  const folders = (await Array.fromAsync(glob('examples/clients/*/build.sh', { cwd: root }))).map((path) => path.split('/').at(-2))
  expect(rows.map(([, folder]) => folder).toSorted()).toEqual(folders.toSorted())
  for (const [, folder = '', versions = ''] of rows) {
    const pins = ['package.json', 'build.sh'].map((file) => `examples/clients/${folder}/${file}`).filter((file) => existsSync(root + file))
    const pinned = await Promise.all([...pins, 'examples/clients/requirements.txt'].map(read))
    for (const version of versions.split(', ')) expect(pinned.join('\n'), folder).toContain(version)
  }
})
