import { readFile, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { basename, join } from 'node:path'
import { type Plugin, rolldown } from 'rolldown'
import { isolatedDeclaration } from 'rolldown/experimental'
import { buildConsole } from './build-console.ts'
import { licensesOf } from './licenses.ts'

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
 * Whoever imports `node:http` reads all that it exports, and for three of these Node.js loads what it has of undici: 45 ms of
 * each start. Whoever requires it does not.
 */
const httpWithoutUndici: Plugin = {
  name: 'http-without-undici',
  resolveId: (id) => (id === 'node:http' ? `\0${id}` : null),
  load(id) {
    if (id !== '\0node:http') return null
    const names = Object.keys(createRequire(import.meta.url)('node:http')).filter(
      (name) => !/^(WebSocket|CloseEvent|MessageEvent)$/.test(name),
    )
    return `import { createRequire } from 'node:module'
const http = createRequire(import.meta.url)('node:http')
export default http
export const { ${names.join(', ')} } = http`
  },
}

/**
 * Node keeps the text of a module as long as the module lives: in one byte for each character if all are ASCII, else in
 * two. The largest modules, of 2 MiB, have dashes in their texts.
 */
const asciiOnly: Plugin = {
  name: 'ascii-only',
  generateBundle(_options, bundle) {
    for (const chunk of Object.values(bundle)) if (chunk.type === 'chunk') chunk.code = escaped(chunk.code)
  },
}

/** Such characters are in strings, templates and regular expressions only, where an escape means the same. */
function escaped(code: string): string {
  return code.replaceAll(/[^\0-\x7f]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

/**
 * Prisma has its WebAssembly in base64, in a module. Node keeps the text of that module and its one string, 2 MiB each, so
 * the bytes are put into a file of their own, which is read instead.
 */
const wasmAsFile: Plugin = {
  name: 'wasm-as-file',
  async load(id) {
    if (!id.endsWith('.wasm-base64.mjs')) return null
    const { wasm }: { wasm: string } = await import(id)
    const file = this.emitFile({ type: 'asset', name: basename(id, '-base64.mjs'), source: Buffer.from(wasm, 'base64') })
    return `import { readFileSync } from 'node:fs'
export const wasm = readFileSync(new URL(import.meta.ROLLDOWN_FILE_URL_${file})).toString('base64')`
  },
}

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
    plugins: [httpWithoutUndici, wasmAsFile, asciiOnly],
    external: [/^node:(?!http$)/, /\.node$/, ...kept.map((name) => new RegExp(`^${name}(/|$)`))],
  })
  const { output } = await bundle.write({
    dir: directory,
    format: 'esm',
    cleanDir: true,
    comments: false,
    assetFileNames: '[name]-[hash][extname]',
  })
  await bundle.close()
  const modules = output.flatMap((chunk) => (chunk.type === 'chunk' ? chunk.moduleIds : []))
  await writeFile(join(directory, 'licenses.txt'), await licensesOf(modules))
  await writeFile(join(directory, 'index.d.ts'), await declarations())
  await buildConsole()
}

/** The types of the library: those of its one module, which name no others. */
async function declarations(): Promise<string> {
  const file = join(root, 'src/index.ts')
  const { code, errors } = await isolatedDeclaration(file, await readFile(file, 'utf8'))
  if (errors.length > 0) throw new AggregateError(errors, `the types of ${file} do not stand for themselves`)
  return code
}

if (import.meta.main) await build(join(root, 'dist'))
