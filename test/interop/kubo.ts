import { spawn } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { Readable } from 'node:stream'
import { onTestFinished } from 'vitest'
import { keepOutput } from '../fixtures/recent-output.ts'
import { runCommand } from '../fixtures/run-command.ts'
import { temporaryDirectory } from '../fixtures/temporary.ts'
import { commandOf, endOf, type ForeignPeer, type HeardMessage, untilHolds } from './foreign-peer.ts'

export interface KuboSettings {
  readonly listen: readonly string[]
  /** Its repository: with the same one it is the same peer after a restart. By default a new one. */
  readonly repository?: string
  /** 64 hexadecimal digits: the key of a private network. */
  readonly privateNetworkKey?: string
  /** URL of the one that it asks by the Delegated Routing API, in place of a DHT. */
  readonly router?: string
}

/** Kubo's daemon, which is driven by its RPC (https://docs.ipfs.tech/reference/kubo/rpc/). */
export interface Kubo extends ForeignPeer {
  /** Stores a block, and tells the DHT that it has it. @returns its CID */
  provide(content: Uint8Array): Promise<string>
  findProviders(cid: string): Promise<string[]>
  /** @returns the addresses of a peer, without its id */
  findPeer(peerId: string): Promise<string[]>
  /** Publishes a path under its own name, /ipns/<peer id>. */
  publishName(path: string): Promise<void>
  /** @returns the path that is published under the name of a peer */
  resolveName(peerId: string): Promise<string>
}

/** Starts one that knows nobody, and waits until it is ready. It ends with the test. @throws Error when it does not start */
export async function startKubo({ listen, repository, privateNetworkKey, router }: KuboSettings): Promise<Kubo> {
  const home = repository ?? (await temporaryDirectory())
  const [ipfs = ''] = commandOf('kubo')
  const env = {
    ...process.env,
    IPFS_PATH: home,
    IPFS_TELEMETRY: 'off',
    ...(privateNetworkKey === undefined ? {} : { LIBP2P_FORCE_PNET: '1' }),
  }
  const isNew = await readFile(join(home, 'config')).then(
    () => false,
    () => true,
  )
  // The profile knows no bootstrap peers and asks nobody else.
  if (isNew) await runCommand(ipfs, ['init', '--profile=test'], { env: { IPFS_PATH: home } })
  await configure(join(home, 'config'), { listen, isPrivate: privateNetworkKey !== undefined, router })
  if (privateNetworkKey !== undefined) await writeFile(join(home, 'swarm.key'), `/key/swarm/psk/1.0.0/\n/base16/\n${privateNetworkKey}\n`)

  const child = spawn(ipfs, ['daemon'], { env, stdio: ['ignore', 'pipe', 'pipe'] })
  const end = endOf(child)
  onTestFinished(() => end('SIGKILL'))
  const lines: string[] = []
  const output = keepOutput(`kubo ${child.pid}`, lines)
  const rpc = await new Promise<string>((resolve, reject) => {
    let address = ''
    createInterface({ input: child.stdout }).on('line', (line) => {
      lines.push(line)
      address = /RPC API server listening on \/ip4\/127\.0\.0\.1\/tcp\/(\d+)/.exec(line)?.[1] ?? address
      if (line.startsWith('Daemon is ready')) resolve(`http://127.0.0.1:${address}/api/v0`)
    })
    createInterface({ input: child.stderr }).on('line', (line) => lines.push(line))
    child.once('error', reject)
    child.once('close', () => {
      output.ended = true
      reject(new Error(`Kubo ended:\n${lines.join('\n')}`))
    })
  })

  async function call(path: string, body?: FormData): Promise<Response> {
    const answer = await fetch(`${rpc}/${path}`, { method: 'POST', ...(body === undefined ? {} : { body }) })
    if (!answer.ok) throw new Error(`Kubo answered ${answer.status} to ${path}: ${await answer.text()}`)
    return answer
  }

  async function ask<Answer>(path: string, body?: FormData): Promise<Answer> {
    return (await (await call(path, body)).json()) as Answer
  }

  /** What the events of one type in a search have found. */
  async function search(path: string, type: number): Promise<FoundByKubo[]> {
    const events = await (await call(path)).text()
    return events
      .split('\n')
      .filter((line) => line !== '')
      .flatMap((line) => {
        const { Type, Responses }: { Type: number; Responses: FoundByKubo[] | null } = JSON.parse(line)
        return Type === type ? (Responses ?? []) : []
      })
  }

  /** Of two messages that it is given at the same time it ignores the one with the lower number, for its own validator. */
  let published: Promise<unknown> = Promise.resolve()

  async function publishInTurn(topic: string, data: readonly Uint8Array[]): Promise<void> {
    for (const one of data) await call(`pubsub/pub?arg=${toMultibase(Buffer.from(topic))}`, file(one))
  }

  const heard: HeardMessage[] = []
  const listeners = new Set<() => void>()

  async function readSubscription(topic: string, answer: Response): Promise<void> {
    if (answer.body === null) return
    for await (const line of createInterface({ input: Readable.fromWeb(answer.body) })) {
      const { from, data }: { from: string; data: string } = JSON.parse(line)
      if (from === peerId) continue
      heard.push({ topic, from, data: fromMultibase(data) })
      for (const listener of listeners) listener()
    }
  }

  const { ID: peerId, Addresses: multiaddrs } = await ask<{ ID: string; Addresses: string[] }>('id')
  return {
    peerId,
    multiaddrs,
    ignoresOvertaken: true,
    heard,
    until: (condition) => untilHolds(condition, listeners),
    async dial(multiaddr) {
      await call(`swarm/connect?arg=${encodeURIComponent(multiaddr)}`)
    },
    async subscribe(topic) {
      const answer = await call(`pubsub/sub?arg=${toMultibase(Buffer.from(topic))}`)
      // It ends with the daemon.
      void readSubscription(topic, answer).catch(() => undefined)
    },
    async subscribers(topic) {
      const { Strings } = await ask<{ Strings: string[] | null }>(`pubsub/peers?arg=${toMultibase(Buffer.from(topic))}`)
      return Strings ?? []
    },
    async publish(topic, data) {
      const own = published.then(() => publishInTurn(topic, data))
      published = own.catch(() => undefined)
      await own
    },
    // It does not say.
    dropped: async () => 0,
    end,
    async provide(content) {
      const { Key } = await ask<{ Key: string }>('block/put', file(content))
      await (await call(`routing/provide?arg=${Key}`)).text()
      return Key
    },
    async findProviders(cid) {
      const found = await search(`routing/findprovs?arg=${cid}&num-providers=1`, foundProvider)
      return found.map(({ ID }) => ID)
    },
    async findPeer(other) {
      const found = await search(`routing/findpeer?arg=${other}`, foundPeer)
      return found.flatMap(({ Addrs }) => Addrs)
    },
    async publishName(path) {
      // It would look for what is there otherwise.
      await call(`name/publish?arg=${encodeURIComponent(path)}&resolve=false`)
    },
    async resolveName(name) {
      return (await ask<{ Path: string }>(`name/resolve?arg=${name}&nocache=true`)).Path
    },
  }
}

interface FoundByKubo {
  ID: string
  Addrs: string[]
}

/** Types of events of a search: a peer is found, and somebody says who has the content. */
const foundPeer = 2
const foundProvider = 4

async function configure(
  path: string,
  settings: { listen: readonly string[]; isPrivate: boolean; router?: string | undefined },
): Promise<void> {
  const config = JSON.parse(await readFile(path, 'utf8'))
  config.Addresses.Swarm = settings.listen
  config.Routing = settings.router === undefined ? { Type: 'dht' } : routingBy(settings.router)
  config.Pubsub.Enabled = true
  if (settings.isPrivate) config.Swarm.Transports.Network = { QUIC: false, WebTransport: false, WebRTCDirect: false }
  await writeFile(path, JSON.stringify(config))
}

/** It asks the router for everything. */
function routingBy(router: string) {
  const methods = ['provide', 'find-providers', 'find-peers', 'get-ipns', 'put-ipns']
  return {
    Type: 'custom',
    Routers: { gateway: { Type: 'http', Parameters: { Endpoint: router } } },
    Methods: Object.fromEntries(methods.map((method) => [method, { RouterName: 'gateway' }])),
  }
}

function file(bytes: Uint8Array): FormData {
  const form = new FormData()
  form.append('file', new Blob([Buffer.from(bytes)]))
  return form
}

/** base64url, https://github.com/multiformats/multibase */
function toMultibase(bytes: Buffer): string {
  return `u${bytes.toString('base64url')}`
}

function fromMultibase(text: string): Buffer {
  return Buffer.from(text.slice(1), 'base64url')
}
