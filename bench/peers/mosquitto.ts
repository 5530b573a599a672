import { writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { freePort } from '../../test/fixtures/free-port.ts'
import { createMarkScanner } from '../marks.ts'
import type { Way } from '../passage.ts'
import { temporaryDirectory } from '../temporary-directory.ts'
import { createMqttClient, type MqttClient } from './mqtt-client.ts'
import { startProgram } from './programs.ts'

/** Mosquitto with QoS 1: a message is acknowledged when it is in the broker's memory. */

const underWay = 64

export async function startMosquitto(resources: AsyncDisposableStack, program: string): Promise<{ port: number; pid: number }> {
  const directory = await temporaryDirectory(resources)
  const port = await freePort()
  const config = join(directory, 'mosquitto.conf')
  await writeFile(
    config,
    `listener ${port} 127.0.0.1
allow_anonymous true
max_inflight_messages 0
max_queued_messages 0
log_type error
`,
  )
  return { port, pid: await startProgram(resources, { program, args: ['-c', config], port }) }
}

export async function openMosquitto(resources: AsyncDisposableStack, program: string): Promise<Way> {
  const { port, pid } = await startMosquitto(resources, program)
  const publisher = await openClient(resources, port)
  const reader = await openClient(resources, port)
  const way: Way = {
    label: 'Mosquitto, QoS 1, in memory',
    processes: { mosquitto: pid },
    underWay,
    publish: (data) => publisher.publish('bench', data),
    onArrival: () => undefined,
  }
  await reader.subscribe(
    'bench',
    createMarkScanner((number) => way.onArrival(number)),
  )
  return way
}

export async function openClient(resources: AsyncDisposableStack, port: number): Promise<MqttClient> {
  const socket = resources.adopt(connect({ host: '127.0.0.1', port, noDelay: true }), (opened) => void opened.destroy())
  return await createMqttClient(socket)
}
