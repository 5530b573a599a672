import { maxUnacked, payload, type WorkQueue } from '../work-queue.ts'
import { callApi, createStream, openNats, publishTo, startNats, streamName } from './jetstream.ts'
import { createNatsClient, type NatsClient } from './nats-client.ts'

/** JetStream knows nothing of connections: it redelivers what a worker has not acknowledged in this time. */
const ackWaitSeconds = 1
const underWay = 64

/** A consumer of a stream, whose workers have a connection each. Every acknowledgement waits for its answer. */
export async function openJetStreamQueue(resources: AsyncDisposableStack, program: string): Promise<WorkQueue> {
  const server = await startNats(resources, program, 'queue')
  const client = openNats(resources, server)
  await createStream(client)
  let got = Promise.withResolvers<void>()
  let holder: NatsClient | undefined
  resources.defer(() => holder?.close())

  /** A worker takes its messages from when it has joined. */
  async function join(onMessage: (reply: string, worker: NatsClient) => void): Promise<NatsClient> {
    const worker = createNatsClient(server.port)
    worker.subscribe('work', (_payload, reply) => onMessage(reply, worker), 'workers')
    await worker.flush()
    return worker
  }

  async function consume(workers: number): Promise<void> {
    const config = {
      durable_name: 'work',
      name: 'work',
      deliver_subject: 'work',
      deliver_group: 'workers',
      ack_policy: 'explicit',
      ack_wait: ackWaitSeconds * 1e9,
      max_ack_pending: maxUnacked * workers,
    }
    await callApi(client, `CONSUMER.CREATE.${streamName}.work`, { stream_name: streamName, config })
  }

  return {
    label: 'JetStream, sync always',
    redelivery: `, ack_wait of ${ackWaitSeconds} s (30 s by default)`,
    redeliveries: 20,
    async publish(count) {
      let left = count
      const lane = async () => {
        while (left-- > 0) await publishTo(client, payload)
      }
      await Promise.all(Array.from({ length: underWay }, lane))
    },
    async settle(workers, messages) {
      const done = Promise.withResolvers<void>()
      let left = messages
      const ack = async (reply: string, worker: NatsClient) => {
        await worker.request(reply, '+ACK')
        if (--left === 0) done.resolve()
      }
      const joined = await Promise.all(Array.from({ length: workers }, () => join((reply, worker) => void ack(reply, worker))))
      await consume(workers)
      await done.promise
      for (const worker of joined) worker.close()
    },
    async redeliver() {
      if (holder === undefined) {
        holder = await join(() => got.resolve())
        await got.promise
      }
      const next = await join(() => got.resolve())
      got = Promise.withResolvers()
      const leftAt = performance.now()
      holder.close()
      await got.promise
      holder = next
      return performance.now() - leftAt
    },
  }
}
