import { existsSync } from 'node:fs'
import { readdir, rm, stat, utimes } from 'node:fs/promises'
import { join } from 'node:path'
import { cacheOfUser, intoCache } from '../fixtures/into-cache.ts'

export const cache = cacheOfUser('peergate-clients')

const keptMs = 7 * 86_400_000

/**
 * Builds a program that is not in the cache yet.
 * @param key of all that decides the result
 * @param make is given the directory to build in
 * @returns the directory of the program
 */
export async function keptBuild(name: string, key: string, make: (into: string) => Promise<void>): Promise<string> {
  const at = join(cache, `${name}-${key}`)
  if (!existsSync(at)) {
    await intoCache(at, make)
    await forgetUnused(name)
  }
  await utimes(at, new Date(), new Date())
  return at
}

/** Removes builds that no run has used for a week, such as those of earlier contracts. */
async function forgetUnused(name: string): Promise<void> {
  for (const entry of await readdir(cache)) {
    if (!entry.startsWith(`${name}-`)) continue
    const path = join(cache, entry)
    const found = await stat(path).catch(() => undefined)
    if (found !== undefined && Date.now() - found.mtimeMs > keptMs) await rm(path, { recursive: true, force: true })
  }
}
