import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { copyFile, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { TestContext } from 'vitest'
import { cacheOfUser, intoCache } from '../fixtures/into-cache.ts'
import { canRun } from '../fixtures/program.ts'

/**
 * Packages that only these tests need, as a folder's lock file pins them, kept in the cache of the user.
 * @returns the directory that has `node_modules`
 */
export async function npmTools(folder: string, skip: TestContext['skip']): Promise<string> {
  const lock = await readFile(join(folder, 'package-lock.json'))
  const at = join(cacheOfUser('peergate-tests'), `npm-${createHash('sha256').update(lock).digest('hex').slice(0, 16)}`)
  if (existsSync(at)) return at
  await intoCache(at, async (into) => {
    for (const file of ['package.json', 'package-lock.json']) await copyFile(join(folder, file), join(into, file))
    const install = ['ci', '--prefix', into, '--ignore-scripts', '--no-audit', '--no-fund']
    if (!(await canRun('npm', install))) skip('the registry of npm packages could not be reached')
  })
  return at
}
