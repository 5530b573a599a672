import { connect } from 'node:net'
import { createMarkScanner } from '../marks.ts'
import type { CrowdCommand } from './crowd.ts'

/** The clients of `crowd.ts`: sockets that count the marks in what they receive, and parse nothing else. */

type Joining = Extract<CrowdCommand, { type: 'join' }>

/** Maximum connections being opened at a time. */
const openers = 50
/** The read buffer of all sockets: its content is consumed before the next read. */
const buffer = Buffer.alloc(65_536)

let received = 0
const goal = { messages: Number.POSITIVE_INFINITY, onReached: () => {} }

process.on('message', async (command: CrowdCommand) => {
  if (command.type === 'join') await joinAll(command)
  else await untilReceived(command.messages)
  process.send?.({})
})
process.once('disconnect', () => process.exit())

async function joinAll(init: Joining): Promise<void> {
  let left = init.count
  const open = async () => {
    while (left-- > 0) await join(init)
  }
  await Promise.all(Array.from({ length: openers }, open))
}

function untilReceived(messages: number): Promise<void> {
  return new Promise((resolve) => {
    goal.messages = messages
    goal.onReached = resolve
    if (received >= messages) resolve()
  })
}

/** Resolves after the last step. @throws when the server ends the connection */
function join({ port, steps }: Joining): Promise<void> {
  const joined = Promise.withResolvers<void>()
  const scan = createMarkScanner(() => {
    if (++received === goal.messages) goal.onReached()
  })
  let step = 0
  let answer = ''

  function take(bytes: Buffer): void {
    const current = steps[step]
    if (current === undefined) {
      scan(bytes)
      return
    }
    answer += bytes.toString('latin1')
    if (!answer.includes(current.until)) return
    answer = ''
    const next = steps[++step]
    if (next === undefined) joined.resolve()
    else socket.write(next.send, 'latin1')
  }

  const onread = {
    buffer,
    callback(length: number) {
      take(buffer.subarray(0, length))
      return true
    },
  }
  const socket = connect({ host: '127.0.0.1', port, noDelay: true, onread }, () => socket.write(steps[0]?.send ?? '', 'latin1'))
  socket.on('end', () => {
    throw new Error(`the server ended a connection: ${answer}`)
  })
  return joined.promise
}
