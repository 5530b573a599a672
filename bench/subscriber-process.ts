import { crc32 } from 'node:zlib'
import { createFrameCounter, type FrameCounter } from './frame-counter.ts'
import { openRawStream } from './raw-stream.ts'
import type { SubscribeCommand, SubscriberCommand } from './subscribers.ts'

/** The clients of `subscribers.ts`: sockets that count frames, add up a checksum, and parse nothing else. */

interface Client {
  counter: FrameCounter
  /** Checksum of all bytes from the server. */
  checksum: number
}

const clients: Client[] = []
/** The expected number of frames, how many sockets have them, and the callback. */
const goal = { frames: 0, reached: 0, onReached: () => {} }
/** Maximum connections being opened at a time. */
const openers = 100
/** The read buffer of all sockets: its content is consumed before the next read. */
const buffer = Buffer.alloc(65_536)

process.on('message', async (command: SubscriberCommand) => {
  if (command.type === 'connect') {
    await connectAll(command)
    process.send?.({})
  } else {
    await untilReceived(command.frames)
    checkAll(command.frames)
    process.send?.({ lastBytes: clients[0]?.counter.lastBytes ?? 0 })
  }
})

process.once('disconnect', () => process.exit())
process.send?.({})

async function connectAll({ url, count, greeting }: SubscribeCommand): Promise<void> {
  let left = count
  const open = async () => {
    while (left-- > 0) await subscribe(url)
  }
  await Promise.all(Array.from({ length: openers }, open))
  await untilReceived(greeting)
}

function untilReceived(frames: number): Promise<void> {
  goal.frames = frames
  goal.reached = clients.filter(({ counter }) => counter.frames >= frames).length
  return new Promise((resolve) => {
    goal.onReached = () => goal.reached === clients.length && resolve()
    goal.onReached()
  })
}

function checkAll(frames: number): void {
  const most = Math.max(...clients.map(({ counter }) => counter.frames))
  if (most > frames) throw new Error(`a subscriber received ${most} frames instead of ${frames}`)
  const streams = new Set(clients.map(({ checksum }) => checksum))
  if (streams.size > 1) throw new Error(`the subscribers received ${streams.size} different streams`)
}

/** Resolves when the upgrade is answered. */
async function subscribe(url: string): Promise<void> {
  const client: Client = { counter: createFrameCounter(), checksum: 0 }
  clients.push(client)

  function take(bytes: Buffer): void {
    const before = client.counter.frames
    client.counter.take(bytes)
    client.checksum = crc32(bytes, client.checksum)
    if (before >= goal.frames || client.counter.frames < goal.frames) return
    goal.reached++
    goal.onReached()
  }

  await openRawStream(url, take, buffer)
}
