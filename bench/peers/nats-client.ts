import { connect } from 'node:net'

/**
 * A client of NATS over one connection, which parses no more than its load needs, as `http-client.ts` does: so the
 * server is measured, and not the client. https://docs.nats.io/reference/reference-protocols/nats-protocol
 */
export interface NatsClient {
  /** Resolves as `flush`: core NATS has no acknowledgement. */
  publish(subject: string, payload: string): Promise<void>
  /** Resolves when the server has dealt with everything before. */
  flush(): Promise<void>
  /** Resolves with the answer. */
  request(subject: string, payload: string): Promise<string>
  /** @param group of which one subscription gets each message */
  subscribe(subject: string, onMessage: (payload: Buffer, reply: string) => void, group?: string): void
  close(): void
}

type OnMessage = (payload: Buffer, reply: string, subject: string) => void

const lineEnd = '\r\n'

export function createNatsClient(port: number): NatsClient {
  const socket = connect({ host: '127.0.0.1', port, noDelay: true })
  const subscriptions: OnMessage[] = []
  const waiting = new Map<string, (answer: string) => void>()
  const flushed: Array<() => void> = []
  const inbox = `_INBOX.${process.pid}.${port}.${Math.random().toString(36).slice(2)}`
  let requests = 0
  let received: Buffer = Buffer.alloc(0)

  /** Commands of one turn are sent together. */
  function write(text: string): void {
    if (socket.writableCorked === 0) {
      socket.cork()
      setImmediate(() => socket.uncork())
    }
    socket.write(text)
  }

  /** The bytes that it has dealt with, from `at` on; 0 when the command is not complete. */
  function take(at: number): number {
    const end = received.indexOf(lineEnd, at)
    if (end < 0) return 0
    const words = received.toString('latin1', at, end).split(' ')
    const next = end + lineEnd.length
    if (words[0] === 'PING') write('PONG\r\n')
    else if (words[0] === 'PONG') flushed.shift()?.()
    else if (words[0] === '-ERR') throw new Error(`the server answered ${words.join(' ')}`)
    if (words[0] !== 'MSG') return next - at
    const [, subject = '', subscription] = words
    const payloadEnd = next + Number(words.at(-1))
    if (received.length < payloadEnd + lineEnd.length) return 0
    const reply = words.length === 5 ? (words[3] ?? '') : ''
    subscriptions[Number(subscription)]?.(received.subarray(next, payloadEnd), reply, subject)
    return payloadEnd + lineEnd.length - at
  }

  socket.on('data', (chunk) => {
    received = received.length === 0 ? chunk : Buffer.concat([received, chunk])
    let at = 0
    for (let taken = take(at); taken > 0; taken = take(at)) at += taken
    received = received.subarray(at)
  })

  function subscribe(subject: string, onMessage: OnMessage, group = ''): void {
    write(`SUB ${subject} ${group === '' ? '' : `${group} `}${subscriptions.push(onMessage) - 1}\r\n`)
  }

  function flush(): Promise<void> {
    write('PING\r\n')
    return new Promise((resolve) => flushed.push(resolve))
  }

  write('CONNECT {"verbose":false,"pedantic":false,"lang":"bench","version":"1"}\r\n')
  subscribe(`${inbox}.*`, (payload, _reply, subject) => {
    waiting.get(subject)?.(payload.toString())
    waiting.delete(subject)
  })

  return {
    publish(subject, payload) {
      write(`PUB ${subject} ${Buffer.byteLength(payload)}\r\n${payload}\r\n`)
      return flush()
    },
    flush,
    request(subject, payload) {
      const reply = `${inbox}.${requests++}`
      write(`PUB ${subject} ${reply} ${Buffer.byteLength(payload)}\r\n${payload}\r\n`)
      return new Promise((resolve) => waiting.set(reply, resolve))
    },
    subscribe,
    close: () => socket.destroy(),
  }
}
