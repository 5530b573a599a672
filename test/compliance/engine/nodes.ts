import { expect, onTestFinished } from 'vitest'
import type { EngineEvent, P2PEngine } from '../../../src/engine/engine.ts'
import type { SignedMessage } from '../../../src/model/signed-message.ts'
import type { Verdict } from '../../../src/model/verdict.ts'

/**
 * Creates engines that can reach each other. `create` returns one that is not started; with a seed, one with that key.
 */
export interface EngineNetwork {
  create(seed?: Uint8Array): Promise<P2PEngine>
}

/** An engine and all its events. */
export interface Node {
  engine: P2PEngine
  events: EngineEvent[]
  received: SignedMessage[]
  address(): Promise<string>
}

export interface NodeOptions {
  seed?: Uint8Array
  verdict?(message: SignedMessage): Promise<Verdict>
  start?: boolean
}

/** What the tests of the contract do with the nodes of one network, which is a new one for each test. */
export interface EngineNodes {
  createNode(options?: NodeOptions): Promise<Node>
  pair(): Promise<[Node, Node]>
  createNodes(count: number): Promise<Node[]>
  link(a: Node, b: Node): Promise<void>
  /** Waits until `a` knows that `b` wants the topic. */
  knows(a: Node, b: Node, topic: string): Promise<void>
  publish(node: Node, topic: string, ...messages: string[]): Promise<number[]>
}

/** It never fires: the time of the test is what bounds a wait, and a process that runs many files outlives any time from its start. */
export const signal = new AbortController().signal
export const data = (text: string) => Buffer.from(text)
export const text = (bytes: Uint8Array) => Buffer.from(bytes).toString()
export const texts = (messages: SignedMessage[]) => messages.map((message) => text(message.data))

/** @param network the network of the current test */
export function engineNodes(network: () => EngineNetwork): EngineNodes {
  async function createNode(options: NodeOptions = {}): Promise<Node> {
    const engine = await network().create(options.seed)
    const events: EngineEvent[] = []
    const received: SignedMessage[] = []
    engine.listen((event) => events.push(event))
    engine.receive({
      async onMessage(message) {
        received.push(message)
        return (await options.verdict?.(message)) ?? 'accept'
      },
    })
    onTestFinished(() => engine.stop())
    if (options.start !== false) await engine.start()
    return { engine, events, received, address: async () => (await engine.multiaddrs())[0] ?? '' }
  }

  const createNodes = (count: number) => Promise.all(Array.from({ length: count }, () => createNode()))

  return {
    createNode,
    createNodes,
    async pair() {
      return [await createNode(), await createNode()]
    },
    async link(a, b) {
      await a.engine.dial(await b.address(), { source: 'rest', signal })
      await expect.poll(async () => (await b.engine.peers()).map(({ peerId }) => peerId)).toContain(a.engine.peerId)
    },
    async knows(a, b, topic) {
      await expect.poll(() => a.engine.subscribers(topic)).toContain(b.engine.peerId)
    },
    publish: async (node, topic, ...messages) =>
      await node.engine.send(await node.engine.sign(messages.map((each) => ({ topic, data: data(each) })))),
  }
}
