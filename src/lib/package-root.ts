import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'

/** The directory of `package.json` and of the files that are read beside the code, wherever a build has put this module. */
export const packageRoot = rootAbove(import.meta.dirname)

function rootAbove(directory: string): string {
  if (existsSync(join(directory, 'package.json'))) return directory
  const above = dirname(directory)
  if (above === directory) throw new Error(`no package.json above ${import.meta.dirname}`)
  return rootAbove(above)
}
