import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { onTestFinished } from 'vitest'
import { keepOutput } from '../fixtures/recent-output.ts'
import { type PeerKind, peersOfRun } from './built-peers.ts'

/** A libp2p node that others wrote, in a process of its own, or several that do the same. */
export interface ForeignPeer {
  readonly peerId: string
  readonly multiaddrs: readonly string[]
  /** Whether it ignores a message whose sequence number is below one that it has seen of the author. */
  readonly ignoresOvertaken: boolean
  /** Messages of others in the topics that it has subscribed to, in the order in which its library gave them out. */
  readonly heard: readonly HeardMessage[]
  /** Resolves once the condition holds; it is asked again after each message. */
  until(condition: () => boolean): Promise<void>
  dial(multiaddr: string): Promise<void>
  subscribe(topic: string): Promise<void>
  /** Ids of the peers that it knows to have subscribed. */
  subscribers(topic: string): Promise<string[]>
  /** Publishes one message after another without a pause. */
  publish(topic: string, data: readonly Uint8Array[]): Promise<void>
  /** Messages that it gave up before they left it: its own queue to a neighbour was full, or with Rust they waited there for too long. */
  dropped(): Promise<number>
  /** Ends it, with the end of the test at the latest. */
  end(signal: NodeJS.Signals): Promise<void>
}

export interface HeardMessage {
  readonly topic: string
  /** The author. */
  readonly from: string
  readonly data: Buffer
}

/** What the programs in `peers/` are started with; see the table there for which knows what. */
export interface PeerSettings {
  readonly listen: readonly string[]
  readonly keyFile?: string
  readonly seqnoValidator?: boolean
  /** How long the validator takes to write a number, as a disk does. Such a peer says that it is Kubo. */
  readonly seqnoWriteMs?: number
  readonly relay?: boolean
  readonly privateNetworkKey?: string
  readonly mdns?: boolean
  readonly dht?: boolean
  readonly punch?: boolean
}

/** A peer that is driven by the protocol of `peers/README.md`. */
export interface DrivenPeer extends ForeignPeer {
  /** Of the messages that it gave up, those to one neighbour. Go only. */
  droppedTo(peerId: string): Promise<number>
  /** Messages of others that it gave up, since its own queue to validation was full. Go only. */
  refused(): Promise<number>
  /** Requests that it has answered. */
  readonly asked: readonly { readonly from: string; readonly body: Buffer }[]
  /** Reserves a place at a relay. @returns under which addresses it is then reached, and what a link over them may take, 0 for no limit */
  reserve(multiaddr: string): Promise<{ multiaddrs: string[]; seconds: number; bytes: number }>
  /** Of each of its connections to a peer, whether it goes through a relay. */
  relayed(peerId: string): Promise<boolean[]>
  ask(peerId: string, protocol: string, body: Uint8Array): Promise<Buffer>
  /** Has it answer each request of the protocol with the same body. */
  answer(protocol: string, body: Uint8Array): Promise<void>
  provide(cid: string): Promise<void>
  findProviders(cid: string): Promise<string[]>
}

/** One line of a program. */
type Line =
  | { readonly event: 'listening'; readonly peerId: string; readonly multiaddrs: string[] }
  | { readonly event: 'message'; readonly topic: string; readonly from: string; readonly data: string }
  | { readonly event: 'asked'; readonly from: string; readonly body: string }
  | { readonly event?: never; readonly id: number; readonly result?: unknown; readonly error?: string }

interface Waiting {
  resolve(result: unknown): void
  reject(error: Error): void
}

/**
 * Starts one and waits until it listens. It ends with the test.
 * @param under a command that runs the peer's command, such as in a network namespace
 * @throws Error with what it printed, when it ends before
 */
export async function startPeer(kind: PeerKind, settings: PeerSettings, under: readonly string[] = []): Promise<DrivenPeer> {
  const [command = '', ...args] = [...under, ...commandOf(kind)]
  const child = spawn(command, [...args, JSON.stringify(settings)], { stdio: ['pipe', 'pipe', 'pipe'] })
  const heard: HeardMessage[] = []
  const asked: { from: string; body: Buffer }[] = []
  const listeners = new Set<() => void>()
  const waiting = new Map<number, Waiting>()
  let calls = 0

  const errors: string[] = []
  const output = keepOutput(`${kind} ${child.pid}`, errors)
  createInterface({ input: child.stderr }).on('line', (line) => errors.push(line))

  const listening = new Promise<{ peerId: string; multiaddrs: string[] }>((resolve, reject) => {
    function take(line: Line): void {
      if (line.event === undefined) settle(line)
      else if (line.event === 'listening') resolve(line)
      else if (line.event === 'asked') asked.push({ from: line.from, body: Buffer.from(line.body, 'base64') })
      else {
        heard.push({ topic: line.topic, from: line.from, data: Buffer.from(line.data, 'base64') })
        for (const listener of listeners) listener()
      }
    }
    createInterface({ input: child.stdout }).on('line', (line) => take(JSON.parse(line)))
    child.once('error', reject)
    child.once('close', () => {
      output.ended = true
      const ended = new Error(`the ${kind} peer ended:\n${errors.join('\n')}`)
      reject(ended)
      for (const { reject: fail } of waiting.values()) fail(ended)
    })
  })

  function settle({ id, result, error }: Extract<Line, { id: number }>): void {
    const caller = waiting.get(id)
    waiting.delete(id)
    if (error === undefined) caller?.resolve(result)
    else caller?.reject(new Error(`the ${kind} peer: ${error}`))
  }

  // Who kills it sees that by what is not answered any more.
  child.stdin.on('error', () => undefined)

  function call<Result>(action: string, fields: Record<string, unknown> = {}): Promise<Result> {
    const id = ++calls
    const answered = new Promise<unknown>((resolve, reject) => waiting.set(id, { resolve, reject }))
    child.stdin.write(`${JSON.stringify({ id, do: action, ...fields })}\n`)
    return answered as Promise<Result>
  }

  const end = endOf(child)
  onTestFinished(() => end('SIGKILL'))
  return {
    ...(await listening),
    ignoresOvertaken: settings.seqnoValidator === true,
    heard,
    asked,
    until: (condition) => untilHolds(condition, listeners),
    dial: (multiaddr) => call('dial', { multiaddr }),
    subscribe: (topic) => call('subscribe', { topic }),
    subscribers: (topic) => call('subscribers', { topic }),
    publish: (topic, data) => call('publish', { topic, data: data.map(base64) }),
    dropped: () => call('dropped'),
    droppedTo: (peerId) => call('dropped', { peerId }),
    refused: () => call('refused'),
    end,
    reserve: (multiaddr) => call('reserve', { multiaddr }),
    relayed: (peerId) => call('relayed', { peerId }),
    ask: async (peerId, protocol, body) => Buffer.from(await call<string>('ask', { peerId, protocol, body: base64(body) }), 'base64'),
    answer: (protocol, body) => call('answer', { protocol, body: base64(body) }),
    provide: (cid) => call('provide', { cid }),
    findProviders: (cid) => call('findProviders', { cid }),
  }
}

/** @throws Error when it was not built, which a cell says before */
export function commandOf(kind: PeerKind): readonly string[] {
  const peer = peersOfRun()[kind]
  if ('missing' in peer) throw new Error(`there is no ${kind} peer: ${peer.missing}`)
  return peer.command
}

/** Ends a process once, and waits for that. */
export function endOf(child: ChildProcess): (signal: NodeJS.Signals) => Promise<void> {
  return async (signal) => {
    if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return
    const closed = once(child, 'close')
    child.kill(signal)
    await closed
  }
}

/** Asks now, and whenever something has come. */
export function untilHolds(condition: () => boolean, listeners: Set<() => void>): Promise<void> {
  return new Promise((resolve) => {
    function check(): void {
      if (!condition()) return
      listeners.delete(check)
      resolve()
    }
    listeners.add(check)
    check()
  })
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64')
}
