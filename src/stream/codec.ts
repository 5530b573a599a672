import { encode } from 'cborg'
import { decodeCbor } from '../lib/cbor.ts'
import type { Entry } from '../log/entry.ts'
import { formatCursor } from '../model/cursor.ts'
import { messageView } from '../model/message.ts'
import { decodePayload, type Encoding } from '../model/payload.ts'
import { type Decoded, decodeFrame, notAFrame, parseFrame } from './decode.ts'
import { naming, type ServerFrame } from './server-frames.ts'
import { opcodes, webSocketFrame } from './web-socket-frame.ts'

/** How frames are written to a client. */
export interface FrameWriter {
  write(frame: ServerFrame): Buffer | string
  /** A `message` frame, made once for all who are sent the same bytes. */
  writeEntry(entry: Entry, format: EntryFormat): Buffer
}

/** How a subscription wants its messages. */
export interface EntryFormat {
  encoding: Encoding
  /** Name of the subscription. */
  name: string | undefined
}

/** How frames stand on a WebSocket; they are written with its own head (RFC 6455). */
export interface Codec extends FrameWriter {
  /** What a client offers to have it. */
  readonly subprotocol: 'peergate.v1.json' | 'peergate.v1.cbor'
  read(raw: Buffer, binary: boolean): Decoded
}

/** JSON in text messages. */
export const jsonCodec: Codec = {
  subprotocol: 'peergate.v1.json',
  write: (frame) => textFrame(JSON.stringify(frame)),
  writeEntry: (entry, format) => entry.frame(keyOf('json', format), () => textFrame(jsonFrame(entry, format))),
  read: (raw, binary) => (binary ? notAFrame('This stream speaks JSON in text messages.') : decodeFrame(raw.toString())),
}

const strict = { allowUndefined: false, allowInfinity: false, allowNaN: false, rejectDuplicateMapKeys: true }

/** CBOR (RFC 8949) in binary messages, with data as byte strings. */
export const cborCodec: Codec = {
  subprotocol: 'peergate.v1.cbor',
  write: (frame) => webSocketFrame(opcodes.binary, encode(withBytes(frame))),
  writeEntry: (entry, { name }) => entry.frame(`cbor ${name ?? ''}`, () => cborFrame(entry, name)),
  read(raw, binary) {
    if (!binary) return notAFrame('This stream speaks CBOR in binary messages.')
    try {
      return parseFrame(decodeCbor(raw, strict))
    } catch {
      return notAFrame('A frame is one CBOR map in a binary message.')
    }
  },
}

export const codecs: readonly Codec[] = [jsonCodec, cborCodec]

/** Server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html), whose data is the frame as JSON. */
export const eventWriter: FrameWriter = {
  write: (frame) => `${idLine(frame)}event: ${frame.type}\ndata: ${JSON.stringify(frame)}\n\n`,
  writeEntry: (entry, format) =>
    entry.frame(keyOf('event', format), () => {
      const id = formatCursor(entry.epoch, entry.message.seq)
      return Buffer.from(`id: ${id}\nevent: message\ndata: ${jsonFrame(entry, format)}\n\n`)
    }),
}

/** Where a client that reconnects goes on. */
function idLine(frame: ServerFrame): string {
  if (frame.type === 'gap') return `id: ${frame.to}\n`
  return frame.type === 'caught-up' ? `id: ${frame.cursor}\n` : ''
}

/** Data are byte strings in CBOR. */
function withBytes(frame: ServerFrame): object {
  if (frame.type === 'validation') return { ...frame, message: bytesOf(frame.message) }
  return frame.type === 'request' || frame.type === 'response' ? bytesOf(frame) : frame
}

function bytesOf<Payload extends { data: string; encoding: Encoding }>({ encoding, data, ...rest }: Payload): object {
  return { ...rest, data: decodePayload(data, encoding) }
}

function textFrame(text: string): Buffer {
  return webSocketFrame(opcodes.text, Buffer.from(text))
}

function keyOf(form: string, { encoding, name }: EntryFormat): string {
  return name === undefined ? `${form} ${encoding}` : `${form} ${encoding} ${name}`
}

function jsonFrame(entry: Entry, { encoding, name }: EntryFormat): string {
  const named = name === undefined ? '' : `"subscription":${JSON.stringify(name)},`
  return `{"type":"message",${named}"message":${entry.json(encoding)}}`
}

function cborFrame({ message, epoch }: Entry, name: string | undefined): Buffer {
  const { encoding: _, ...view } = messageView(message, epoch)
  return webSocketFrame(opcodes.binary, encode({ type: 'message', ...naming(name), message: { ...view, data: message.data } }))
}
