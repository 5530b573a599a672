import { setTimeout as sleep } from 'node:timers/promises'
import { marked, maxMarks } from './marks.ts'
import { processorSeconds } from './processor-time.ts'

/** A way of messages from publishers to one subscriber, through a gateway or a program beside it. */
export interface Way {
  readonly label: string
  /** Process ids of what is measured, by name. */
  readonly processes: Record<string, number>
  /** How many publications may wait for their acknowledgement at a time. */
  readonly underWay: number
  /** Resolves when the message is acknowledged. @throws when it is refused */
  publish(data: string): Promise<void>
  /** Called with the number of each message (`marks.ts`) that arrives at the subscriber. */
  onArrival: (number: number) => void
}

export interface Load {
  messages: number
  /** Maximum rate; unlimited by default. */
  perSecond?: number
}

export interface Passage {
  /** Messages a second, from the first publication to the last acknowledgement, and to the last arrival. */
  acked: number
  delivered: number
  /** Milliseconds of each message from its publication, or from when it was due at the rate, to its arrival. */
  latencies: number[]
  /** Processor seconds for 1,000 messages, by process. */
  processor: Record<string, number>
  /** The share of one core that the measuring process took. At 1 it would be what is measured. */
  clientLoad: number
}

const bytes = 256
const patienceMs = 30_000

let published = 0

/** Publishes messages of 256 bytes and waits for all. @throws Error when no message arrives for 30 s while one is missing */
export async function pass(way: Way, { messages, perSecond = Number.POSITIVE_INFINITY }: Load): Promise<Passage> {
  const first = published
  published += messages
  if (published > maxMarks) throw new Error('the numbers of messages are used up')
  const sent = new Float64Array(messages)
  const arrived = new Float64Array(messages)
  const complete = Promise.withResolvers<void>()
  let count = 0
  const silence = setTimeout(() => complete.reject(new Error(`${way.label}: ${count} of ${messages} messages arrived`)), patienceMs)
  way.onArrival = (number) => {
    const index = number - first
    if (arrived[index] !== 0) return
    arrived[index] = performance.now()
    silence.refresh()
    if (++count === messages) complete.resolve()
  }
  const before = await times(way)
  const client = process.cpuUsage()
  const start = performance.now()
  await Promise.race([publishAll(way, { first, perSecond, start, sent }), complete.promise.then(() => new Promise(() => undefined))])
  const acked = performance.now()
  await complete.promise
  clearTimeout(silence)
  const end = performance.now()
  const { user, system } = process.cpuUsage(client)
  const after = await times(way)
  return {
    acked: messages / ((acked - start) / 1_000),
    delivered: messages / ((end - start) / 1_000),
    latencies: Array.from(arrived, (at, index) => at - (sent[index] ?? 0)),
    processor: Object.fromEntries(
      Object.entries(after).map(([name, seconds]) => [name, ((seconds - (before[name] ?? 0)) / messages) * 1_000]),
    ),
    clientLoad: (user + system) / 1_000 / (end - start),
  }
}

async function times({ processes }: Way): Promise<Record<string, number>> {
  return Object.fromEntries(await Promise.all(Object.entries(processes).map(async ([name, pid]) => [name, await processorSeconds(pid)])))
}

interface Publications {
  first: number
  perSecond: number
  start: number
  /** When each was published, or was due. */
  sent: Float64Array
}

/** One message at a time on each of as many lanes as the way takes. */
async function publishAll(way: Way, { first, perSecond, start, sent }: Publications): Promise<void> {
  let next = 0
  const lane = async () => {
    for (let index = next++; index < sent.length; index = next++) {
      const due = perSecond === Number.POSITIVE_INFINITY ? performance.now() : start + (index / perSecond) * 1_000
      const early = due - performance.now()
      if (early > 0) await sleep(early)
      // A message that found no free lane in time has waited since it was due; a timer that is late is not its delay.
      sent[index] = early > 0 ? performance.now() : due
      await way.publish(marked(first + index, bytes))
    }
  }
  await Promise.all(Array.from({ length: way.underWay }, lane))
}
