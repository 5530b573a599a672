import { existsSync } from 'node:fs'
import { chmod, cp, mkdir, readFile, writeFile } from 'node:fs/promises'
import { arch } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { fingerprint } from '../fixtures/fingerprint.ts'
import { intoCache } from '../fixtures/into-cache.ts'
import { runCommand } from '../fixtures/run-command.ts'
import {
  type BuiltClient,
  type ClientName,
  type Clients,
  clientNames,
  clientTools,
  type MissingClient,
  type Tool,
} from './built-clients.ts'
import { cache, keptBuild } from './kept-build.ts'

const repository = fileURLToPath(new URL('../../', import.meta.url))
const contract = join(repository, 'openapi.yaml')
const examples = join(repository, 'examples/clients/')

/** Prints the version of a tool; fails when it is not there, or too old. */
const versionCommands: Record<Tool, readonly [string, ...string[]]> = {
  python3: ['python3', '-c', 'import ensurepip, sys, venv; assert sys.version_info >= (3, 11); print(sys.version, sys.executable)'],
  java: ['java', '--version'],
  mvn: ['mvn', '--version'],
  go: ['go', 'version'],
  cargo: ['cargo', '--version'],
}

/**
 * Builds the clients that are not in the cache yet, two at a time, if this machine has what it takes.
 * @param say is told what takes long
 * @throws Error when one cannot be generated or compiled though its tools are there
 */
export async function buildClients(say: (line: string) => void): Promise<Clients> {
  const versions = new Map<Tool, string>()
  for (const [tool, [command, ...args]] of Object.entries(versionCommands)) {
    const version = await runCommand(command, args).catch(() => undefined)
    if (version !== undefined) versions.set(tool as Tool, version)
  }
  const python = versions.get('python3')
  const generators = python === undefined ? undefined : await installGenerators(python, say)
  const built = new Map<ClientName, BuiltClient | MissingClient>()
  const waiting = clientNames.values()
  const work = async () => {
    for (const name of waiting) built.set(name, await build(name, { versions, generators }, say))
  }
  await Promise.all([work(), work()])
  return Object.fromEntries(built) as Clients
}

/** Installs the generators that are Python packages. @returns a directory of commands for the PATH */
async function installGenerators(python: string, say: (line: string) => void): Promise<string> {
  const requirements = join(examples, 'requirements.txt')
  const at = join(cache, `generators-${await fingerprint(`${dirname(requirements)}/`, python, clientNames)}`)
  if (!existsSync(at)) {
    say('installing the generators, once for their versions')
    await intoCache(at, async (into) => {
      await runCommand('python3', ['-m', 'venv', into])
      await runCommand(join(into, 'bin/python3'), ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '-r', requirements])
      // The script that pip installs names the place where it was made.
      await mkdir(join(into, 'commands'))
      const command = join(into, 'commands/openapi-generator-cli')
      // biome-ignore lint/suspicious/noTemplateCurlyInString: of the shell
      await writeFile(command, '#!/bin/sh\nbin=${0%/*}/../bin\nexec "$bin/python3" "$bin/openapi-generator-cli" "$@"\n')
      await chmod(command, 0o755)
    })
  }
  return [join(at, 'commands'), join(at, 'bin')].join(':')
}

interface Tools {
  versions: ReadonlyMap<Tool, string>
  generators: string | undefined
}

async function build(
  name: ClientName,
  { versions, generators = '' }: Tools,
  say: (line: string) => void,
): Promise<BuiltClient | MissingClient> {
  const tools: readonly Tool[] = clientTools[name]
  const missing = tools.filter((tool) => !versions.has(tool))
  if (missing.length > 0) return { missing: `not there, or too old: ${missing.join(', ')}` }
  const env = {
    PATH: [generators, dirname(process.execPath), process.env['PATH'] ?? ''].join(':'),
    // Kept, as Go and pip keep theirs: after a change of the contract, the libraries are not built again.
    CARGO_TARGET_DIR: join(cache, 'cargo-target'),
  }
  const built = (await readFile(join(examples, '.gitignore'), 'utf8')).split('\n').map((line) => line.replace(/\/$/, ''))
  const source = join(examples, name, '/')
  const further = [arch(), generators, process.version, ...tools.map((tool) => versions.get(tool)), await readFile(contract, 'utf8')]
  const at = await keptBuild(name, await fingerprint(source, further.join('\0'), built), async (into) => {
    say(`building ${name}, once for this contract`)
    const started = performance.now()
    await cp(source, into, { recursive: true, filter: (path) => !built.includes(basename(path)) })
    await runCommand('sh', ['build.sh', contract], { cwd: into, env })
    say(`built ${name} in ${Math.round((performance.now() - started) / 1_000)} s`)
  })
  return { at, env }
}
