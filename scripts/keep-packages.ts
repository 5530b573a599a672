import { readFile, writeFile } from 'node:fs/promises'
import { kept, keptOptional } from './build.ts'

/**
 * Leaves in the package.json of the working directory only what the built gateway needs beside it, so that `npm prune`
 * removes all that it has inside: for the image, in which nothing is built again.
 */
type Versions = Record<string, string>

const {
  devDependencies,
  scripts,
  dependencies,
  optionalDependencies,
  ...rest
}: Record<string, unknown> & {
  dependencies: Versions
  optionalDependencies: Versions
} = JSON.parse(await readFile('package.json', 'utf8'))

function left(names: string[], versions: Versions): Versions {
  return Object.fromEntries(
    names.map((name) => {
      const version = versions[name]
      if (version === undefined) throw new Error(`${name} is not among the dependencies`)
      return [name, version]
    }),
  )
}

await writeFile(
  'package.json',
  JSON.stringify({ ...rest, dependencies: left(kept, dependencies), optionalDependencies: left(keptOptional, optionalDependencies) }),
)
