import { readdirSync } from 'node:fs'
import { join, parse } from 'node:path'
import { rolldown } from 'rolldown'

const root = join(import.meta.dirname, '..')

/** Packages that read files of their own or have native parts: they stay packages. */
const kept = [
  '@chainsafe/libp2p-quic',
  '@fastify/swagger-ui',
  '@prisma/schema-engine-wasm',
  'node-datachannel',
  'pino',
  'prisma-adapter-sqlite',
]

/**
 * Makes one file of each program and of what several of them have in common. A gateway then reads 40 modules instead of
 * 1,200 when it starts, which takes two thirds of the processor's time.
 * @param directory where they are written: `main.js` and the commands of operators, below the project, whose packages they use
 */
export async function build(directory: string): Promise<void> {
  const commands = readdirSync(join(root, 'src/cli')).filter((file) => file !== 'command.ts')
  const bundle = await rolldown({
    cwd: root,
    input: Object.fromEntries(['main.ts', ...commands.map((file) => `cli/${file}`)].map((file) => [parse(file).name, `src/${file}`])),
    platform: 'node',
    external: [/^node:/, /\.node$/, ...kept.map((name) => new RegExp(`^${name}(/|$)`))],
  })
  await bundle.write({ dir: directory, format: 'esm', cleanDir: true })
  await bundle.close()
}

if (import.meta.main) await build(join(root, 'dist'))
