import { encode } from 'cborg'
import { decodeCbor } from '../lib/cbor.ts'
import { stringifyJson } from '../lib/json-text.ts'
import type { Entry } from '../log/entry.ts'
import { formatCursor } from '../model/cursor.ts'
import { messageView } from '../model/message.ts'
import { decodePayload, type Encoding } from '../model/payload.ts'
import { type Decoded, decodeFrame, notAFrame, parseFrame } from './decode.ts'
import { naming, type ServerFrame } from './server-frames.ts'
import { deflatedFrame, type Framing, opcodes, plainFrame, plainTextFrame } from './web-socket-frame.ts'

/** Encodes frames for a client. */
export interface FrameWriter<Frame = ServerFrame> {
  write(frame: Frame): Buffer | string
  /** A `message` frame, encoded once for all clients that are sent the same bytes. */
  writeEntry(entry: Entry, format: EntryFormat): Buffer
}

/** The format of messages that a subscription asked for. */
export interface EntryFormat {
  encoding: Encoding
  /** Name of the subscription. */
  name: string | undefined
}

/** The encoding of frames on a WebSocket. Written frames include the WebSocket header (RFC 6455 §5.2). */
export interface Codec extends FrameWriter {
  /** The subprotocol that selects this codec. */
  readonly subprotocol: 'peergate.v1.json' | 'peergate.v1.cbor'
  /** @param pay see `decodeFrame` */
  read(raw: Buffer, binary: boolean, pay: (members: number) => void): Decoded
}

/** JSON in text messages. */
export const jsonCodec = createJsonCodec('json', plainTextFrame)

/** CBOR (RFC 8949) in binary messages, with data as byte strings. */
export const cborCodec = createCborCodec('cbor', plainFrame)

const json = { plain: jsonCodec, deflated: createJsonCodec('deflated json', (text) => deflatedFrame(opcodes.text, Buffer.from(text))) }
const cbor = { plain: cborCodec, deflated: createCborCodec('deflated cbor', deflatedFrame) }

export const subprotocols = [jsonCodec.subprotocol, cborCodec.subprotocol]

/** The first offered subprotocol that the gateway supports. */
export function chooseSubprotocol(offered: Iterable<string>): string | undefined {
  return [...offered].find((name) => subprotocols.some((subprotocol) => subprotocol === name))
}

/** The codec of a subprotocol, JSON without one. @param inflates whether the client inflates compressed messages */
export function codecFor(subprotocol: string, inflates: boolean): Codec {
  const { plain, deflated } = subprotocol === cborCodec.subprotocol ? cbor : json
  return inflates ? deflated : plain
}

/** @param form names the frames of this codec among those of an entry */
function createJsonCodec(form: string, textFrame: (text: string) => Buffer): Codec {
  return {
    subprotocol: 'peergate.v1.json',
    write: (frame) => textFrame(stringifyJson(frame)),
    writeEntry: (entry, format) => entry.frame(keyOf(form, format), () => textFrame(jsonFrame(entry, format))),
    read: (raw, binary, pay) => (binary ? notAFrame('This stream uses JSON in text messages.') : decodeFrame(raw.toString(), pay)),
  }
}

function createCborCodec(form: string, frameOf: Framing): Codec {
  return {
    subprotocol: 'peergate.v1.cbor',
    write: (frame) => frameOf(opcodes.binary, encode(withBytes(frame))),
    writeEntry: (entry, { name }) => entry.frame(`${form} ${name ?? ''}`, () => frameOf(opcodes.binary, cborFrame(entry, name))),
    read(raw, binary) {
      if (!binary) return notAFrame('This stream uses CBOR in binary messages.')
      try {
        return parseFrame(decodeCbor(raw, { allowUndefined: false, allowInfinity: false, allowNaN: false, rejectDuplicateMapKeys: true }))
      } catch {
        return notAFrame('A frame must be one CBOR map in a binary message.')
      }
    },
  }
}

/**
 * Server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html) with the frame as JSON in `data`.
 */
export const eventWriter: FrameWriter = {
  write: (frame) => `${idLine(frame)}event: ${frame.type}\ndata: ${JSON.stringify(frame)}\n\n`,
  writeEntry: (entry, format) =>
    entry.frame(keyOf('event', format), () => {
      const id = formatCursor(entry.epoch, entry.message.seq)
      return Buffer.from(`id: ${id}\nevent: message\ndata: ${oneLine(jsonFrame(entry, format))}\n\n`)
    }),
}

/** A `control` event of the Durable Streams protocol. */
export interface Control {
  streamNextOffset: string
  streamCursor: string
  upToDate?: true
}

/** Server-sent events of the Durable Streams protocol (§5.8): each message is an array of its own, with its `control`. */
export function createDurableWriter(init: { controlAfter(entry: Entry): Control }): FrameWriter<Control> {
  // Readers of the protocol look for the text without a space.
  const write = (control: Control) => `event: control\ndata:${JSON.stringify(control)}\n\n`
  return {
    write,
    writeEntry(entry, { encoding }) {
      const data = entry.frame(`durable ${encoding}`, () => Buffer.from(`event: data\ndata:[${oneLine(entry.json(encoding))}]\n\n`))
      return Buffer.concat([data, Buffer.from(write(init.controlAfter(entry)))])
    },
  }
}

/** JSON in one line of an event: a line break in JSON text is white space between tokens (RFC 8259 §2). */
function oneLine(json: string): string {
  return json.replaceAll(/[\r\n]/g, ' ')
}

/** The position from which a client resumes after a reconnect. */
function idLine(frame: ServerFrame): string {
  if (frame.type === 'gap') return `id: ${frame.to}\n`
  return frame.type === 'caught-up' || frame.type === 'progress' ? `id: ${frame.cursor}\n` : ''
}

/** Converts encoded data to the byte strings of CBOR. */
function withBytes(frame: ServerFrame): object {
  if (frame.type === 'validation' || frame.type === 'message') return { ...frame, message: bytesOf(frame.message) }
  return frame.type === 'request' || frame.type === 'response' ? bytesOf(frame) : frame
}

function bytesOf<Payload extends { data: unknown; encoding: Encoding }>({ encoding, data, ...rest }: Payload): object {
  return { ...rest, data: decodePayload(data, encoding) }
}

function keyOf(form: string, { encoding, name }: EntryFormat): string {
  return name === undefined ? `${form} ${encoding}` : `${form} ${encoding} ${name}`
}

function jsonFrame(entry: Entry, { encoding, name }: EntryFormat): string {
  const named = name === undefined ? '' : `"subscription":${JSON.stringify(name)},`
  return `{"type":"message",${named}"message":${entry.json(encoding)}}`
}

function cborFrame({ message, epoch }: Entry, name: string | undefined): Uint8Array {
  const { encoding: _, ...view } = messageView(message, epoch)
  return encode({ type: 'message', ...naming(name), message: { ...view, data: message.data } })
}
