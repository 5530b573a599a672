import type { ClientRequest } from 'node:http'
import type { Socket } from 'node:net'
import { createLoopTurns, type LoopTurns } from './loop-turns.ts'

/** Informational responses (RFC 9110 §15.2) before the answer. Servers send one or two: 100, and 103 with early hints. */
const maxInformational = 8
/** Bytes that the parser gets at a time. */
const pieceBytes = 1_024

/** What a piece of a body counts beside its bytes: a chunk of one byte costs the event loop as much as one of 512. */
export const answerPieceBytes = 512

/** Bounds the work that a server, which may be anyone's, can cause by its answer to a request. */
export interface AnswerBounds {
  /**
   * Node.js parses up to 64 KiB at once, which can be thousands of informational responses or of chunks: one answer then
   * blocks the event loop for a tenth of a second, and a few connections block it for good. So the parser gets small
   * pieces, in turns with all other answers and all other work, and none after the request was given up. Too many
   * informational responses end the request.
   */
  bound(request: ClientRequest): void
  /** The socket speaks another protocol from now on (`Upgrade`), whose own bounds apply. */
  release(socket: Socket): void
}

export function createAnswerBounds({ turns }: { turns: LoopTurns }): AnswerBounds {
  const paced = new WeakMap<Socket, { release(): void }>()

  return {
    bound(request) {
      let informational = 0
      request.on('information', () => {
        if (++informational > maxInformational) request.destroy(new Error('the answer has too many informational responses'))
      })
      request.on('socket', (socket) => {
        // An agent uses a socket again.
        if (!paced.has(socket)) paced.set(socket, readInTurns(socket, turns))
      })
    },
    release: (socket) => paced.get(socket)?.release(),
  }
}

/** What the socket reads arrives in pieces. Of one read, the rest waits for its turn; nothing is read meanwhile. */
function readInTurns(socket: Socket, turns: LoopTurns): { release(): void } {
  const push = socket.push.bind(socket)
  const read = socket._read.bind(socket)
  let waiting: Buffer | undefined
  let isEnded = false
  let isReleased = false

  function deliver(): boolean {
    const piece = socket.destroyed ? undefined : waiting?.subarray(0, pieceBytes)
    const rest = socket.destroyed ? undefined : waiting?.subarray(pieceBytes)
    waiting = rest?.length === 0 ? undefined : rest
    if (piece !== undefined) push(piece)
    if (waiting !== undefined) return true
    if (isEnded) push(null)
    if (isReleased) restore()
    return false
  }

  function restore(): void {
    Reflect.deleteProperty(socket, 'push')
    Reflect.deleteProperty(socket, '_read')
  }

  // Node.js pushes what it has read, and after `false` reads when it is asked to.
  socket.push = (chunk: Buffer | null) => {
    if (chunk === null) isEnded = true
    else waiting = waiting === undefined ? chunk : Buffer.concat([waiting, chunk])
    turns.run(deliver)
    return false
  }
  socket._read = (size) => {
    if (waiting === undefined) read(size)
  }
  return {
    release() {
      isReleased = true
      if (waiting === undefined) restore()
    },
  }
}

/** One for the process, as its event loop is. */
const bounds = createAnswerBounds({
  turns: createLoopTurns({ turnMs: 1, sliceMs: 0.2 }, { now: () => performance.now(), afterOthers: setImmediate }),
})

/** `AnswerBounds.bound` */
export function boundAnswer<Request extends ClientRequest>(request: Request): Request {
  bounds.bound(request)
  return request
}

/** `AnswerBounds.release` */
export function releaseAnswer(socket: Socket): void {
  bounds.release(socket)
}
