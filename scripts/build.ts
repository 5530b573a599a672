import { readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { rolldown } from 'rolldown'
import { isolatedDeclaration } from 'rolldown/experimental'
import { buildConsole, consoleDirectory } from './build-console.ts'
import { plugins } from './build-plugins.ts'
import { licensesOf } from './licenses.ts'

const root = join(import.meta.dirname, '..')

/** Packages that read files of their own or have native parts: they stay packages. */
const outside = ['@fastify/swagger-ui', '@prisma/schema-engine-wasm', 'node-datachannel', 'pino', 'prisma-adapter-sqlite']

/** Packages that the built gateway needs beside it. Of the last it needs the native part, which a plugin looks for there. */
export const kept = [...outside, '@chainsafe/libp2p-quic']

/** The same, of packages without which it does all that it does, but slower. */
export const keptOptional = ['bufferutil', 'sodium-native']

/**
 * Makes one file of each program and of what several of them have in common. A gateway then reads 40 modules instead of
 * 1,200 when it starts, which takes two thirds of the processor's time.
 * @param directory where they are written: `main.js`, `peergate.js`, the library and its types; below the project, whose packages they use
 */
export async function build(directory: string): Promise<void> {
  const bundle = await rolldown({
    cwd: root,
    input: { main: 'src/main.ts', peergate: 'src/cli/peergate.ts', index: 'src/index.ts' },
    platform: 'node',
    plugins,
    external: [/^node:(?!http$)/, /\.node$/, ...[...outside, ...keptOptional].map((name) => new RegExp(`^${name}(/|$)`))],
  })
  const { output } = await bundle.write({
    dir: directory,
    format: 'esm',
    comments: false,
    assetFileNames: '[name]-[hash][extname]',
  })
  await bundle.close()
  await removeOthers(directory, new Set(output.map(({ fileName }) => fileName)))
  const modules = output.flatMap((chunk) => (chunk.type === 'chunk' ? chunk.moduleIds : []))
  await writeFile(join(directory, 'licenses.txt'), await licensesOf(modules))
  await writeFile(join(directory, 'index.d.ts'), await declarations())
  await buildConsole()
}

/** Removes what an earlier build has left, but for the console: a gateway that runs reads its files when a page asks for them. */
async function removeOthers(directory: string, written: ReadonlySet<string>): Promise<void> {
  for (const name of await readdir(directory)) {
    const path = join(directory, name)
    if (!written.has(name) && path !== consoleDirectory) await rm(path, { recursive: true })
  }
}

/** The types of the library: those of its one module, which name no others. */
async function declarations(): Promise<string> {
  const file = join(root, 'src/index.ts')
  const { code, errors } = await isolatedDeclaration(file, await readFile(file, 'utf8'))
  if (errors.length > 0) throw new AggregateError(errors, `the types of ${file} do not stand for themselves`)
  return code
}

if (import.meta.main) await build(join(root, 'dist'))
