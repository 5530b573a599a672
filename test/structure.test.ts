import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, matchesGlob, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

/** The rooms of `src`, and the way of imports, are those that docs/architecture.md shows. */

const root = fileURLToPath(new URL('..', import.meta.url))
const page = readFileSync(join(root, 'docs/architecture.md'), 'utf8')
const floors = new Map(Array.from(page.matchAll(/^\| (\d+) \| `([^`]+)` \|/gm), ([, floor, room = '']) => [room, Number(floor)]))
const homes = Array.from(page.matchAll(/^\| (`[^|]+`) \|([^|]*)\| (`[^|]+`) \|$/gm), ([, packages = '', but = '', rooms = '']) => ({
  packages: quoted(packages),
  but: quoted(but),
  rooms: quoted(rooms),
}))

/** Each import of a file of `src`, by its path below the root of the project, of another one or of a package. */
const imports = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.ts') && !file.startsWith('store/generated/'))
  .flatMap((file) => importsOf(`src/${file}`))

function importsOf(from: string): Array<{ from: string; to: string }> {
  const found = readFileSync(join(root, from), 'utf8').matchAll(/^(?:import|export) (?:[^'"]*? from )?'([^']+)'|import\('([^']+)'\)/gm)
  return Array.from(found, ([, atTop, inside]) => atTop ?? inside ?? '').map((named) => ({
    from,
    to: named.startsWith('.') ? relative(root, resolve(root, dirname(from), named)) : named,
  }))
}

function quoted(cell: string): string[] {
  return Array.from(cell.matchAll(/`([^`]+)`/g), ([, name = '']) => name)
}

const within = (file: string, room: string) => file === `src/${room}` || file.startsWith(`src/${room}/`)
const roomOf = (file: string) => file.split('/')[1] ?? ''
const floorOf = (file: string) => floors.get(roomOf(file)) ?? Number.NaN

test('each folder and file directly in src is a room of the table, and few of them are files', () => {
  const entries = readdirSync(join(root, 'src'))
  expect(new Set(floors.keys())).toEqual(new Set(entries))
  expect(entries.filter((entry) => entry.endsWith('.ts')).length).toBeLessThanOrEqual(8)
  expect(entries.length).toBeLessThanOrEqual(34)
})

test('imports, of types too, point to a lower floor', () => {
  const between = imports.filter(({ from, to }) => to.startsWith('src/') && roomOf(from) !== roomOf(to))
  expect(between.length).toBeGreaterThan(500)
  expect(between.filter(({ from, to }) => !(floorOf(from) > floorOf(to)))).toEqual([])
})

test.each([
  ['engine/custom', 'engine/libp2p'],
  ['store/sqlite', 'store/postgres'],
])('%s and %s do not know each other', (one, other) => {
  const crossing = imports.filter(({ from, to }) => [one, other].every((room) => within(from, room) || within(to, room)))
  expect(crossing).toEqual([])
})

test.each(homes)('$packages are imported in $rooms only', ({ packages, but, rooms }) => {
  const isOf = (name: string, globs: string[]) => globs.some((glob) => matchesGlob(name, glob))
  const theirs = imports.filter(({ to }) => isOf(to, packages) && !isOf(to, but))
  expect(theirs).not.toEqual([])
  expect(theirs.filter(({ from }) => !rooms.some((room) => within(from, room)))).toEqual([])
})

test('no file of source is longer than 300 lines', () => {
  const files = ['src', 'scripts', 'bench', 'clients/typescript/src', 'console'].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }).map((file) => `${folder}/${file}`),
  )
  const written = files.filter(
    (file) => /\.tsx?$/.test(file) && !file.startsWith('src/store/generated/') && file !== 'clients/typescript/src/openapi.ts',
  )
  expect(written.filter((file) => readFileSync(join(root, file), 'utf8').split('\n').length > 301)).toEqual([])
})

// What has lost a race polls on for its whole time, and advances the fake clock of another test of the same process.
test('no poll of a test is in a race', () => {
  const files = readdirSync(join(root, 'test'), { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.test.ts'))
  const races = /Promise\.(?:race|any)\([^;\n]*(?:expect\s*\.poll|vi\.wait)/
  expect(files.filter((file) => file !== 'structure.test.ts' && races.test(readFileSync(join(root, 'test', file), 'utf8')))).toEqual([])
})
