import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePort } from '../../test/fixtures/free-port.ts'
import { createMarkScanner, marked, maxMarks } from '../marks.ts'
import type { Way } from '../passage.ts'
import { temporaryDirectory } from '../temporary-directory.ts'
import { createNatsClient, type NatsClient } from './nats-client.ts'
import { startProgram } from './programs.ts'

/** JetStream that writes each message to the disk before it acknowledges it, as the gateway does. */

export const streamName = 'bench'
const underWay = 64

export interface NatsServer {
  port: number
  /** Where others link to it as leaf nodes. */
  leafPort: number
  pid: number
}

/** @param link the leaf port of a server whose messages it may read */
export async function startNats(resources: AsyncDisposableStack, program: string, name: string, link?: number): Promise<NatsServer> {
  const directory = await temporaryDirectory(resources)
  const [port, leafPort] = [await freePort(), await freePort()]
  const leaves = link === undefined ? `listen: "127.0.0.1:${leafPort}"` : `remotes: [{ url: "nats://127.0.0.1:${link}" }]`
  const config = join(directory, 'nats.conf')
  await writeFile(
    config,
    `server_name: ${name}
listen: "127.0.0.1:${port}"
ping_interval: "1h"
jetstream { store_dir: "${join(directory, 'store')}", domain: ${name}, sync_interval: always }
leafnodes { ${leaves} }
`,
  )
  const pid = await startProgram(resources, { program, args: ['-c', config], port })
  return { port, leafPort, pid }
}

export function openNats(resources: AsyncDisposableStack, { port }: NatsServer): NatsClient {
  return resources.adopt(createNatsClient(port), (opened) => opened.close())
}

/** @throws Error when the server refuses */
export async function callApi(client: NatsClient, call: string, body: object): Promise<void> {
  const answer = await client.request(`$JS.API.${call}`, JSON.stringify(body))
  const { error } = JSON.parse(answer)
  if (error !== undefined) throw new Error(`${call} answered ${answer}`)
}

export async function createStream(client: NatsClient, source: object = { subjects: [streamName] }): Promise<void> {
  await callApi(client, `STREAM.CREATE.${streamName}`, { name: streamName, storage: 'file', retention: 'limits', ...source })
}

/** Resolves when the message is on the disk. */
export async function publishTo(client: NatsClient, data: string): Promise<void> {
  const answer = await client.request(streamName, data)
  if (!answer.includes('"seq"')) throw new Error(`publishing answered ${answer}`)
}

/** One server with a stream, and a subscriber of it. */
export async function openJetStream(resources: AsyncDisposableStack, program: string): Promise<Way> {
  const server = await startNats(resources, program, 'a')
  const publisher = openNats(resources, server)
  await createStream(publisher)
  return await openWay('JetStream, sync always', {
    publisher,
    reader: openNats(resources, server),
    processes: { 'nats-server': server.pid },
  })
}

/** Published on A → stored → over the link to B → stored there → a subscriber of B. */
export async function openJetStreamRoad(resources: AsyncDisposableStack, program: string): Promise<Way> {
  const a = await startNats(resources, program, 'a')
  const b = await startNats(resources, program, 'b', a.leafPort)
  const publisher = openNats(resources, a)
  const reader = openNats(resources, b)
  await createStream(publisher)
  await createStream(reader, { mirror: { name: streamName, external: { api: '$JS.a.API' } } })
  const way = await openWay('two servers with JetStream, sync always', { publisher, reader, processes: { A: a.pid, B: b.pid } })
  await untilArrives(way)
  return way
}

interface Ends {
  publisher: NatsClient
  reader: NatsClient
  processes: Record<string, number>
}

async function openWay(label: string, { publisher, reader, processes }: Ends): Promise<Way> {
  const way: Way = {
    label,
    processes,
    underWay,
    publish: (data) => publishTo(publisher, data),
    onArrival: () => undefined,
  }
  reader.subscribe(
    'deliver',
    createMarkScanner((number) => way.onArrival(number)),
  )
  const config = { deliver_subject: 'deliver', ack_policy: 'none', deliver_policy: 'new' }
  await callApi(reader, `CONSUMER.CREATE.${streamName}`, { stream_name: streamName, config })
  return way
}

/** Resolves when the servers are linked. */
async function untilArrives(way: Way): Promise<void> {
  let arrived = false
  way.onArrival = () => {
    arrived = true
  }
  while (!arrived) {
    await way.publish(marked(maxMarks - 1, 10))
    await sleep(100)
  }
}
