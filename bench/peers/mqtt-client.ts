import type { Socket } from 'node:net'
import type { Step } from './crowd.ts'

/**
 * A client of MQTT 3.1.1 with QoS 1, which parses no more than its load needs.
 * https://docs.oasis-open.org/mqtt/mqtt/v3.1.1/os/mqtt-v3.1.1-os.html
 */
export interface MqttClient {
  /** Resolves with the broker's PUBACK. */
  publish(topic: string, data: string): Promise<void>
  /** Each message is acknowledged. @param onMessage is called with the variable header and the payload */
  subscribe(topic: string, onMessage: (bytes: Buffer) => void): Promise<void>
}

/** First bytes of the packets (§2.2), with the flags that they must have. */
const types = { connect: 0x10, connack: 0x20, publish: 0x32, puback: 0x40, subscribe: 0x82, suback: 0x90 }
const maxId = 65_535

export async function createMqttClient(socket: Socket): Promise<MqttClient> {
  const waiting = new Map<number, () => void>()
  let onMessage: (bytes: Buffer) => void = () => undefined
  let lastId = 0
  let received: Buffer = Buffer.alloc(0)
  const connected = Promise.withResolvers<void>()

  function write(type: number, ...parts: Buffer[]): void {
    if (socket.writableCorked === 0) {
      socket.cork()
      setImmediate(() => socket.uncork())
    }
    socket.write(packet(type, parts))
  }

  /** Resolves when the packet with a new id is acknowledged. */
  function ask(send: (id: Buffer) => void): Promise<void> {
    lastId = (lastId % maxId) + 1
    const id = lastId
    send(uint16(id))
    return new Promise((resolve) => waiting.set(id, resolve))
  }

  function take(type: number, body: Buffer): void {
    if (type === types.connack) connected.resolve()
    if (type === types.puback || type === types.suback) {
      const id = body.readUInt16BE()
      waiting.get(id)?.()
      waiting.delete(id)
    }
    if ((type & 0xf6) !== types.publish) return
    const idAt = 2 + body.readUInt16BE()
    write(types.puback, body.subarray(idAt, idAt + 2))
    onMessage(body)
  }

  socket.on('data', (chunk) => {
    received = received.length === 0 ? chunk : Buffer.concat([received, chunk])
    let at = 0
    for (let head = headAt(received, at); head !== undefined; head = headAt(received, at)) {
      const end = head.bodyAt + head.length
      if (end > received.length) break
      take(received[at] ?? 0, received.subarray(head.bodyAt, end))
      at = end
    }
    received = received.subarray(at)
  })

  write(types.connect, ...connection)
  await connected.promise
  return {
    publish: (topic, data) => ask((id) => write(types.publish, text(topic), id, Buffer.from(data))),
    async subscribe(topic, on) {
      onMessage = on
      await ask((id) => write(types.subscribe, id, text(topic), Buffer.from([1])))
    },
  }
}

/** Protocol level 4, a clean session, no keep-alive, and an id that the broker gives (§3.1). */
const connection = [text('MQTT'), Buffer.from([4, 2, 0, 0]), text('')]

/** How a client subscribes that acknowledges nothing: with QoS 0. */
export function mqttSubscription(topic: string): Step[] {
  const id = uint16(1)
  return [
    { send: packet(types.connect, connection), until: packet(types.connack, [Buffer.from([0, 0])]) },
    { send: packet(types.subscribe, [id, text(topic), Buffer.from([0])]), until: packet(types.suback, [id, Buffer.from([0])]) },
  ]
}

function packet(type: number, parts: Buffer[]): Buffer {
  const head = [type]
  let length = parts.reduce((sum, part) => sum + part.length, 0)
  // Seven bits in each byte, and one that says that another follows (§2.2.3).
  do {
    head.push((length & 0x7f) | (length > 0x7f ? 0x80 : 0))
    length >>= 7
  } while (length > 0)
  return Buffer.concat([Buffer.from(head), ...parts])
}

/** Where the body of the packet begins, and its length; undefined when its header is not complete. */
function headAt(bytes: Buffer, at: number): { bodyAt: number; length: number } | undefined {
  let length = 0
  for (let index = at + 1, shift = 0; index < bytes.length; index++, shift += 7) {
    const byte = bytes[index] ?? 0
    length |= (byte & 0x7f) << shift
    if (byte < 0x80) return { bodyAt: index + 1, length }
  }
  return undefined
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value)
  return Buffer.concat([uint16(bytes.length), bytes])
}

function uint16(value: number): Buffer {
  return Buffer.from([value >> 8, value & 0xff])
}
