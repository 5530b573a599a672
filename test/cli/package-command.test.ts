import { spawnSync } from 'node:child_process'
import { chmodSync, chownSync, copyFileSync, existsSync, mkdirSync, readdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { temporaryDirectory } from '../fixtures/temporary.ts'

/** `bin/peergate.js`, the program that the package installs, beside programs that print what they are. */

const script = join(import.meta.dirname, '../../bin/peergate.js')

/** A folder with the script, and beside it what was built, the source, both or neither. */
async function folder(programs: { built?: boolean; source?: boolean }): Promise<string> {
  const directory = await temporaryDirectory()
  chmodSync(directory, 0o755)
  const put = (file: string, text: string) => {
    mkdirSync(join(directory, file, '..'), { recursive: true })
    writeFileSync(join(directory, file), text)
  }
  put('package.json', '{"type": "module"}')
  mkdirSync(join(directory, 'bin'))
  copyFileSync(script, join(directory, 'bin/peergate.js'))
  if (programs.built) put('dist/peergate.js', `console.log('built', ...process.argv.slice(2))`)
  if (programs.source) put('src/cli/peergate.ts', `const words: string[] = process.argv.slice(2)\nconsole.log('source', ...words)`)
  return directory
}

function run(directory: string, env: Record<string, string>, args: string[] = []) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(directory, 'bin/peergate.js'), ...args], { env, encoding: 'utf8' })
  return { status, stdout, stderr }
}

/** Runs it as a user who has a home, in which it may keep what was compiled; returns what Node says of its cache. */
function cacheNotes(directory: string, env: Record<string, string>): string {
  const { stdout, stderr } = run(directory, { NODE_DEBUG_NATIVE: 'COMPILE_CACHE', ...env })
  expect(stdout).toBe('built\n')
  return stderr
}

const accepted = /dist\/peergate\.js.* was accepted/

test('runs what was built, else the source', async () => {
  const both = await folder({ built: true, source: true })
  expect(run(both, {}, ['topics', '--json'])).toEqual({ status: 0, stdout: 'built topics --json\n', stderr: '' })
  const clone = await folder({ source: true })
  expect(run(clone, {}, ['topics', '--json'])).toEqual({ status: 0, stdout: 'source topics --json\n', stderr: '' })
})

test('says how to build it when there is neither', async () => {
  const directory = await folder({})
  expect(run(directory, {})).toEqual({
    status: 1,
    stdout: '',
    stderr: `Peergate is not built: ${join(directory, 'dist/peergate.js')} is missing. Build it: npm run build\n`,
  })
})

describe('keeps what was compiled', () => {
  test('in the cache of the user, which others cannot read, for the next start', async () => {
    const directory = await folder({ built: true })
    expect(cacheNotes(directory, { HOME: directory })).not.toMatch(accepted)
    const cache = join(directory, '.cache/peergate')
    expect(statSync(cache).mode & 0o777).toBe(0o700)
    expect(cacheNotes(directory, { HOME: directory })).toMatch(accepted)
  })

  test('where XDG_CACHE_HOME says', async () => {
    const directory = await folder({ built: true })
    const env = { HOME: directory, XDG_CACHE_HOME: join(directory, 'of/xdg') }
    cacheNotes(directory, env)
    expect(cacheNotes(directory, env)).toMatch(accepted)
    expect(existsSync(join(directory, '.cache'))).toBe(false)
    expect(readdirSync(join(directory, 'of/xdg/peergate'))).toHaveLength(1)
  })
})

describe('keeps nothing, and runs all the same', () => {
  const nobody = 65_534

  test.each<[string, (home: string) => void]>([
    ['that others can write to', (home) => chmodSync(join(home, '.cache/peergate'), 0o770)],
    ['below one that others can write to', (home) => chmodSync(join(home, '.cache'), 0o777)],
    ['below a home that others can write to', (home) => chmodSync(home, 0o777)],
    [
      'that is a link',
      (home) => {
        mkdirSync(join(home, 'elsewhere'))
        symlinkSync(join(home, 'elsewhere'), join(home, '.cache/peergate'))
      },
    ],
    ...(process.getuid?.() === 0
      ? ([
          ['of another user', (home) => chownSync(join(home, '.cache/peergate'), nobody, nobody)],
          ['below one of another user', (home) => chownSync(join(home, '.cache'), nobody, nobody)],
        ] satisfies Array<[string, (home: string) => void]>)
      : []),
  ])('in a directory %s', async (name, change) => {
    const directory = await folder({ built: true })
    mkdirSync(join(directory, '.cache', ...(name.endsWith('a link') ? [] : ['peergate'])), { recursive: true })
    change(directory)
    expect(cacheNotes(directory, { HOME: directory })).not.toContain('dist/peergate.js')
    expect(readdirSync(join(directory, '.cache/peergate'))).toEqual([])
  })

  test('in a home that others can write to, where it makes no directory', async () => {
    const directory = await folder({ built: true })
    chmodSync(directory, 0o777)
    cacheNotes(directory, { HOME: directory })
    expect(existsSync(join(directory, '.cache'))).toBe(false)
  })

  test.each([
    ['without a home', {}],
    ['with a home that is a file', { HOME: '/dev/null' }],
    ['with a home that is not absolute', { HOME: 'home', XDG_CACHE_HOME: 'cache' }],
  ])('%s', async (_, env) => {
    const directory = await folder({ built: true })
    expect(run(directory, env)).toEqual({ status: 0, stdout: 'built\n', stderr: '' })
    expect(cacheNotes(directory, env)).not.toContain('dist/peergate.js')
  })
})
