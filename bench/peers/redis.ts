import { connect, type Socket } from 'node:net'
import { freePort } from '../../test/fixtures/free-port.ts'
import { createMarkScanner } from '../marks.ts'
import type { Way } from '../passage.ts'
import { temporaryDirectory } from '../temporary-directory.ts'
import { startProgram } from './programs.ts'
import { createReplies } from './redis-replies.ts'

/** A stream of Redis, with an append-only file that is on the disk before a command is answered. */

const underWay = 64
/** Messages of one answer. */
const pageSize = 500

export interface RedisClient {
  /** @throws Error when the server answers with one */
  ask(...command: string[]): Promise<Buffer>
}

export async function startRedis(resources: AsyncDisposableStack, program: string): Promise<{ port: number; pid: number }> {
  const directory = await temporaryDirectory(resources)
  const port = await freePort()
  const durable = ['--appendonly', 'yes', '--appendfsync', 'always', '--save', '']
  const args = ['--port', String(port), '--bind', '127.0.0.1', '--dir', directory, ...durable]
  return { port, pid: await startProgram(resources, { program, args, port }) }
}

export async function openRedis(resources: AsyncDisposableStack, program: string): Promise<Way> {
  const { port, pid } = await startRedis(resources, program)
  const publisher = openClient(resources, port)
  const reader = openClient(resources, port)
  const way: Way = {
    label: 'a stream of Redis, appendfsync always',
    processes: { 'redis-server': pid },
    underWay,
    publish: async (data) => void (await publisher.ask('XADD', 'bench', '*', 'd', data)),
    onArrival: () => undefined,
  }
  void follow(
    reader,
    createMarkScanner((number) => way.onArrival(number)),
  )
  return way
}

/** Reads page after page; an answer waits until there is a message. */
async function follow(client: RedisClient, take: (bytes: Buffer) => void): Promise<void> {
  for (let after = '0-0'; ; ) {
    const page = await client.ask('XREAD', 'COUNT', String(pageSize), 'BLOCK', '0', 'STREAMS', 'bench', after)
    take(page)
    after = lastId(page)
  }
}

function lastId(page: Buffer): string {
  const id = page
    .toString('latin1')
    .match(/^\d+-\d+(?=\r$)/gm)
    ?.at(-1)
  if (id === undefined) throw new Error(`a page has no id: ${page}`)
  return id
}

export function openClient(resources: AsyncDisposableStack, port: number): RedisClient {
  const socket = resources.adopt(connect({ host: '127.0.0.1', port, noDelay: true }), (opened) => void opened.destroy())
  return createClient(socket)
}

function createClient(socket: Socket): RedisClient {
  const waiting: Array<PromiseWithResolvers<Buffer>> = []
  const take = createReplies((reply) => {
    const asked = waiting.shift()
    if (reply[0] === 0x2d) asked?.reject(new Error(`redis-server answered ${reply}`))
    else asked?.resolve(reply)
  })
  socket.on('data', take)
  return {
    ask(...command) {
      const asked = Promise.withResolvers<Buffer>()
      waiting.push(asked)
      if (socket.writableCorked === 0) {
        socket.cork()
        setImmediate(() => socket.uncork())
      }
      const parts = command.map((part) => `$${Buffer.byteLength(part)}\r\n${part}\r\n`)
      socket.write(`*${command.length}\r\n${parts.join('')}`)
      return asked.promise
    },
  }
}
