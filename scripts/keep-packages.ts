import { readFile, writeFile } from 'node:fs/promises'
import { kept } from './build.ts'

/**
 * Leaves in the package.json of the working directory only what the built gateway needs beside it, so that `npm prune`
 * removes all that it has inside: for the image, in which nothing is built again.
 */
const { devDependencies, scripts, dependencies, ...rest }: { dependencies: Record<string, string> } & Record<string, unknown> = JSON.parse(
  await readFile('package.json', 'utf8'),
)
const left = Object.fromEntries(
  kept.map((name) => {
    const version = dependencies[name]
    if (version === undefined) throw new Error(`${name} is not among the dependencies`)
    return [name, version]
  }),
)
await writeFile('package.json', JSON.stringify({ ...rest, dependencies: left }))
