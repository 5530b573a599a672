import { createRequire } from 'node:module'
import { basename, dirname, join } from 'node:path'
import type { Plugin } from 'rolldown'

/**
 * What the built gateway leaves out of its packages, so that it starts sooner and holds less memory. Each plugin checks
 * that its package still looks as expected, and fails the build otherwise.
 */

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

/** Fastify's compilers of JSON Schema, and its requests for tests: the app gives its own compilers (`src/http/app.ts`). */
const neverCalled = ['@fastify/ajv-compiler', '@fastify/fast-json-stringify-compiler', 'light-my-request']

const withoutNeverCalled: Plugin = {
  name: 'without-never-called',
  resolveId: (id) => (neverCalled.includes(id) ? `\0never-called:${id}` : null),
  load(id) {
    const [, name] = id.split('\0never-called:')
    return name === undefined ? null : `module.exports = () => { throw new Error('the build leaves out ${name}') }`
  },
}

/** The streams of npm are those of Node.js, for older versions of it. */
const streamsOfNode: Plugin = {
  name: 'streams-of-node',
  resolveId: (id) => (id === 'readable-stream' ? { id: 'node:stream', external: true } : null),
}

/**
 * Of QUIC, only the native part stays a package: the rest would bring a second copy of what it shares with libp2p. The
 * native part is looked for where that package is.
 */
const quicInside: Plugin = {
  name: 'quic-inside',
  transform: {
    filter: { id: /@chainsafe\/libp2p-quic\/dist\/src\/napi\.js$/ },
    handler: (code) => replaced(code, /import\.meta\.url/g, `import.meta.resolve('@chainsafe/libp2p-quic')`),
  },
}

/**
 * Prisma has its WebAssembly in base64, in a module. Node.js would keep the text, 2.2 MiB, for as long as the gateway
 * runs: the bytes are put into a file, and the client is given its path.
 */
const wasmAsFile: Plugin = {
  name: 'wasm-as-file',
  async load(id) {
    if (!id.endsWith('.wasm-base64.mjs')) return null
    const { wasm }: { wasm: string } = await import(id)
    const file = this.emitFile({ type: 'asset', name: basename(id, '-base64.mjs'), source: Buffer.from(wasm, 'base64') })
    return `export const wasm = new URL(import.meta.ROLLDOWN_FILE_URL_${file})`
  },
  transform: {
    filter: { code: /decodeBase64AsWasm/ },
    handler: (code) =>
      replaced(
        code,
        /async function decodeBase64AsWasm\([\s\S]*?\n\}/g,
        `async function decodeBase64AsWasm(file: URL): Promise<WebAssembly.Module> {
  const { readFileSync } = await import('node:fs')
  return await WebAssembly.compile(readFileSync(file))
}`,
      ),
  },
}

/**
 * The DHT of libp2p has a table of 32,768 numbers in a module, as 640 kB of text and 512 kB of an array: in a
 * file of bytes they take 128 kB.
 */
const prefixesAsFile: Plugin = {
  name: 'prefixes-as-file',
  async load(id) {
    if (!id.endsWith('/kad-dht/dist/src/routing-table/generated-prefix-list.js')) return null
    const { default: prefixes }: { default: number[] } = await import(id)
    const file = this.emitFile({ type: 'asset', name: 'dht-prefixes.bin', source: new Uint8Array(Uint32Array.from(prefixes).buffer) })
    return `import { readFileSync } from 'node:fs'
export default new Uint32Array(Uint8Array.from(readFileSync(new URL(import.meta.ROLLDOWN_FILE_URL_${file}))).buffer)`
  },
}

/** The program of a thread is a file of its own, beside the file of the module that starts it. */
const threadsAsFiles: Plugin = {
  name: 'threads-as-files',
  transform: {
    filter: { code: /new Worker\(new URL\('\.\/[\w-]+\.ts', import\.meta\.url\)/ },
    handler(code, id) {
      return code.replaceAll(/new URL\('\.\/([\w-]+)\.ts', import\.meta\.url\)/g, (_, name) => {
        const file = this.emitFile({ type: 'chunk', id: join(dirname(id), `${name}.ts`), name })
        return `new URL(import.meta.ROLLDOWN_FILE_URL_${file})`
      })
    },
  },
}

/**
 * Node.js keeps the text of a module as long as the module lives: in one byte for each character if all are ASCII, else
 * in two. Characters beyond are in strings, templates and regular expressions only, where an escape means the same.
 */
const asciiOnly: Plugin = {
  name: 'ascii-only',
  generateBundle(_options, bundle) {
    for (const chunk of Object.values(bundle)) {
      if (chunk.type !== 'chunk') continue
      chunk.code = chunk.code.replaceAll(/[^\0-\x7f]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
    }
  },
}

/** @throws if there is nothing to replace: the package has changed, and the plugin has to */
export function replaced(code: string, pattern: RegExp, by: string): string {
  const changed = code.replaceAll(pattern, () => by)
  if (changed === code) throw new Error(`${pattern} is not in the module that a plugin of the build changes`)
  return changed
}

export const plugins: Plugin[] = [
  httpWithoutUndici,
  withoutNeverCalled,
  streamsOfNode,
  quicInside,
  wasmAsFile,
  prefixesAsFile,
  threadsAsFiles,
  asciiOnly,
]
