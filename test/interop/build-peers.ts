import { existsSync } from 'node:fs'
import { copyFile, readFile } from 'node:fs/promises'
import { arch } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { fingerprint } from '../fixtures/fingerprint.ts'
import { cacheOfUser, intoCache } from '../fixtures/into-cache.ts'
import { runCommand } from '../fixtures/run-command.ts'
import type { BuiltPeer, MissingPeer, PeerKind, Peers } from './built-peers.ts'

/** How one of the peers is built of its sources. */
interface Recipe {
  /** Prints the version of what builds it; fails when that is not there. */
  readonly toolchain: readonly [string, ...string[]]
  /** The file of the sources that pins the libraries, and where it has the versions that are worth telling. */
  readonly pins: { readonly file: string; readonly versions: Readonly<Record<string, RegExp>> }
  /** Builds into an empty folder, beside which nothing is left. */
  build(sources: string, into: string): Promise<unknown>
  command(at: string): string[]
}

const sourcesOf = (kind: PeerKind) => fileURLToPath(new URL(`peers/${kind}/`, import.meta.url))

const cache = cacheOfUser('peergate-interop')

/** Small programs, quickly linked. */
const goBuild = ['build', '-trimpath', '-buildvcs=false', '-ldflags=-s -w']

const recipes: Record<PeerKind, Recipe> = {
  go: {
    toolchain: ['go', 'version'],
    pins: { file: 'go.mod', versions: { 'go-libp2p': /\/go-libp2p v(\S+)/, 'go-libp2p-pubsub': /\/go-libp2p-pubsub v(\S+)/ } },
    build: (sources, into) => runCommand('go', [...goBuild, '-o', join(into, 'peer'), '.'], { cwd: sources }),
    command: (at) => [join(at, 'peer')],
  },
  kubo: {
    toolchain: ['go', 'version'],
    pins: { file: 'go.mod', versions: { kubo: /\/kubo v(\S+)/, 'go-libp2p': /\/go-libp2p v(\S+)/ } },
    build: (sources, into) => runCommand('go', [...goBuild, '-o', join(into, 'ipfs'), 'github.com/ipfs/kubo/cmd/ipfs'], { cwd: sources }),
    command: (at) => [join(at, 'ipfs')],
  },
  rust: {
    toolchain: ['cargo', '--version'],
    pins: {
      file: 'Cargo.lock',
      versions: { libp2p: /name = "libp2p"\nversion = "(.+)"/, 'libp2p-gossipsub': /name = "libp2p-gossipsub"\nversion = "(.+)"/ },
    },
    async build(sources, into) {
      // Kept, as Go and pip keep theirs: after a change of the sources, the libraries are not built again.
      const target = join(cache, 'cargo-target')
      await runCommand('cargo', ['build', '--quiet', '--locked'], { cwd: sources, env: { CARGO_TARGET_DIR: target } })
      await copyFile(join(target, 'debug/interop-peer'), join(into, 'peer'))
    },
    command: (at) => [join(at, 'peer')],
  },
  python: {
    toolchain: ['python3', '-c', 'import ensurepip, sys, venv; assert sys.version_info >= (3, 10); print(sys.version, sys.executable)'],
    pins: { file: 'requirements.txt', versions: { libp2p: /^libp2p==(.+)$/m } },
    async build(sources, into) {
      await runCommand('python3', ['-m', 'venv', into])
      const install = ['install', '--quiet', '--disable-pip-version-check', '--requirement', join(sources, 'requirements.txt')]
      await runCommand(join(into, 'bin/python'), ['-m', 'pip', ...install])
    },
    command: (at) => [join(at, 'bin/python'), join(sourcesOf('python'), 'peer.py')],
  },
}

/**
 * Builds the peers that are not in the cache yet, if this machine has what it takes. Kubo, which takes longest, only when that is wanted.
 * @param say is told what takes long
 * @throws Error when one cannot be built though its toolchain is there
 */
export async function buildPeers(init: { kubo: boolean }, say: (line: string) => void): Promise<Peers> {
  // Python mostly waits for its packages; the others use all processors, so they are built one after another.
  const python = build('python', { wanted: true }, say)
  const go = await build('go', { wanted: true }, say)
  const rust = await build('rust', { wanted: true }, say)
  const kubo = await build('kubo', { wanted: init.kubo }, say)
  return { go, rust, kubo, python: await python }
}

async function build(kind: PeerKind, init: { wanted: boolean }, say: (line: string) => void): Promise<BuiltPeer | MissingPeer> {
  const { toolchain, pins, build, command } = recipes[kind]
  const [tool, ...args] = toolchain
  const compiler = await runCommand(tool, args).catch(() => undefined)
  if (compiler === undefined) return { missing: `what builds it is not there: ${tool}` }
  const sources = sourcesOf(kind)
  const at = join(cache, `${kind}-${await fingerprint(sources, `${arch()} ${compiler}`)}`)
  // The gate tries the same peers on every machine, whatever is in its cache.
  if (!init.wanted && process.env['CI'] === 'true') return { missing: 'the gate does without it; PEERGATE_INTEROP=all has it' }
  if (!existsSync(at)) {
    if (!init.wanted) return { missing: 'it has not been built yet; PEERGATE_INTEROP=all builds it' }
    say(`building ${kind}, once for these sources`)
    const started = performance.now()
    await intoCache(at, (into) => build(sources, into))
    say(`built ${kind} in ${Math.round((performance.now() - started) / 1_000)} s`)
  }
  return { command: command(at), version: await versionsOf(join(sources, pins.file), pins.versions) }
}

async function versionsOf(file: string, versions: Readonly<Record<string, RegExp>>): Promise<string> {
  const text = await readFile(file, 'utf8')
  return Object.entries(versions)
    .map(([name, pattern]) => `${name} ${pattern.exec(text)?.[1] ?? 'unknown'}`)
    .join(', ')
}
