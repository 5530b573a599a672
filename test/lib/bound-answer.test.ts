import { once } from 'node:events'
import { type ClientRequest, type IncomingMessage, request } from 'node:http'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { boundAnswer, createAnswerBounds } from '../../src/lib/bound-answer.ts'
import { createLoopTurns } from '../../src/lib/loop-turns.ts'

/** Calls `answer` with each connection that has sent something; returns its port. */
async function serve(answer: (socket: Socket) => void): Promise<number> {
  const open = new Set<Socket>()
  const server = createServer((socket) => {
    open.add(socket)
    socket.on('error', () => undefined)
    socket.once('data', () => answer(socket))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    for (const socket of open) socket.destroy()
    server.close()
  })
  return (server.address() as AddressInfo).port
}

/** Writes until the other end is gone. */
function flood(socket: Socket, text: string): void {
  const bytes = Buffer.from(text)
  const write = () => {
    while (!socket.destroyed) if (!socket.write(bytes)) return void socket.once('drain', write)
  }
  write()
}

function failureOf(asking: ClientRequest): Promise<Error> {
  return new Promise((resolve) => asking.once('error', resolve))
}

const earlyHints = 'HTTP/1.1 103 Early Hints\r\n\r\n'

test('a request whose answer is informational without end fails after a few', async () => {
  const port = await serve((socket) => flood(socket, earlyHints.repeat(2_000)))
  const asking = boundAnswer(request({ port }))
  let informational = 0
  asking.on('information', () => informational++)
  asking.end()
  expect((await failureOf(asking)).message).toBe('the answer has too many informational responses')
  // The rest of the piece was parsed, and nothing behind it.
  expect(informational).toBeLessThan(1_024 / earlyHints.length + 2)
})

test('an answer of many chunks is parsed piece by piece, in turns with other work', async () => {
  const text = 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n'
  const port = await serve((socket) => socket.end(`${text}${'1\r\na\r\n'.repeat(10_000)}0\r\n\r\n`))
  let now = 0
  let turns = 0
  const afterOthers = (task: () => void) => {
    turns++
    setImmediate(task)
  }
  // Each piece takes the time of a whole turn.
  const bounds = createAnswerBounds({ turns: createLoopTurns({ turnMs: 1, sliceMs: 1 }, { now: () => now++, afterOthers }) })
  const asking = request({ port })
  bounds.bound(asking)
  asking.end()
  const [response]: [IncomingMessage] = await (once(asking, 'response') as Promise<[IncomingMessage]>)
  let chunks = 0
  for await (const chunk of response) chunks += String(chunk).length
  expect([chunks, response.complete]).toEqual([10_000, true])
  expect(turns).toBeGreaterThan((10_000 * 6) / 1_024 - 1)
})

test('what comes after an upgrade is passed on in order, and as it is read', async () => {
  const after = Buffer.from(Array.from({ length: 200_000 }, (_, index) => index % 251))
  const head = 'HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: own\r\n\r\n'
  const port = await serve((socket) => socket.end(Buffer.concat([Buffer.from(head), after])))
  const bounds = createAnswerBounds({
    turns: createLoopTurns({ turnMs: 1, sliceMs: 0.2 }, { now: () => performance.now(), afterOthers: setImmediate }),
  })
  const asking = request({ port, headers: { connection: 'upgrade', upgrade: 'own' } })
  bounds.bound(asking)
  asking.end()
  const [, socket, first]: [IncomingMessage, Socket, Buffer] = await (once(asking, 'upgrade') as Promise<[IncomingMessage, Socket, Buffer]>)
  bounds.release(socket)
  const pieces = [first]
  for await (const piece of socket) pieces.push(piece)
  expect(Buffer.concat(pieces).equals(after)).toBe(true)
  expect(Object.hasOwn(socket, 'push')).toBe(false)
})
