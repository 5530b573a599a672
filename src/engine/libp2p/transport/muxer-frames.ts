import { type MessageStream, StreamBufferError, type StreamMuxer } from '@libp2p/interface'
import { FrameFlood } from '../../frame-flood.ts'
import { createFrameBudget, type FrameRate } from './frame-budget.ts'

/**
 * The rate of unproductive muxer frames: a unit is a header that is read, some microseconds. They include data in
 * flight to streams that this node has reset, hence the many bytes.
 */
export const muxerFrames: FrameRate = { perSecond: 10_000, burst: 20_000, bytesPerUnit: 4_096 }
/** Cost of a stream that the peer opens, even if it is refused: up to 40 µs. */
export const openingUnits = 5
/** Answers to proposals of protocols that the opening of a stream includes: the header, and the protocol. */
const includedAnswers = 2
/** Cost of a further one, which is encrypted and written separately, like that of a ping. */
const answerUnits = 20
/** Cost of a ping: its answer is encrypted and written separately. */
const pingUnits = 20
/** Bytes of a stream's data below which its frame costs a part of a unit. Messages and requests have more. */
const smallBytes = 64
/** Cost of a frame of a stream's data. */
export const unitsOfData = (bytes: number): number => Math.max(0, 1 - bytes / smallBytes)
/** Bytes of an encrypted record, the tag among them, that has no whole header: no muxer of an honest peer writes such. */
const emptyRecordBytes = 27
/** Maximum bytes that were read at once, and wait in the decoder. */
const readBytes = 131_072

/** https://github.com/hashicorp/yamux/blob/master/spec.md */
const frameTypes = { data: 0, windowUpdate: 1, ping: 2 }
const synFlag = 1
const headerBytes = 12

/** Internals of a connection that is encrypted by Noise. */
interface NoiseParts {
  readonly decoder?: { decode?(data: unknown): Iterable<{ readonly byteLength: number }> }
}

interface YamuxFrame {
  header: { type: number; flag: number; streamID: number; length: number }
}

/** Internals of the yamux muxer; each use checks that they exist. */
interface YamuxParts {
  readonly decoder?: { readonly buffer: { readonly byteLength: number } }
  onData?(data: unknown): void
  handleFrame?(frame: YamuxFrame): void
  sendFrame?(header: YamuxFrame['header'], data?: unknown): boolean
}

/**
 * Cuts a connection whose peer sends more unproductive frames than any honest peer does: pings, stream openings, window
 * updates beyond one for each data frame sent, data of unknown streams, data of a few bytes, and records without data.
 * For a muxer without such frames (QUIC) only openings count. A frame longer than any window also cuts the connection,
 * since the muxer would buffer it whole.
 */
export function boundFrames(
  muxer: StreamMuxer & YamuxParts,
  connection: MessageStream & NoiseParts,
  components: {
    maxFrameBytes: number
    /** The connection was cut. */
    onFlood(): void
  },
): {
  /** The peer has opened a stream. */
  opened(): void
  /** A proposal of a protocol was answered. `answers` counts those of its stream so far. */
  answered(answers: number): void
} {
  const { maxFrameBytes, onFlood } = components
  const budget = createFrameBudget(muxerFrames)
  /** Window updates that may still follow sent data. */
  let expectedUpdates = 0
  let isCut = false

  function orCut(act: () => void): void {
    try {
      act()
    } catch (error) {
      if (error instanceof FrameFlood) cut(error)
      throw error
    }
  }

  function cut(error: Error): void {
    if (isCut) return
    isCut = true
    onFlood()
    connection.abort(error)
  }

  function count({ header }: YamuxFrame): void {
    const { type, flag, streamID, length } = header
    if (type === frameTypes.ping) budget.spend(pingUnits, 0)
    else if ((flag & synFlag) !== 0) budget.spend(openingUnits, 0)
    else if (type === frameTypes.windowUpdate && expectedUpdates > 0) expectedUpdates--
    else if (type !== frameTypes.data) budget.spend(1, 0)
    else if (length === 0 || !muxer.streams.some(({ id }) => id === `${streamID}`)) budget.spend(1, length)
    else if (length < smallBytes) budget.spend(unitsOfData(length), 0)
  }

  /** Counts records that the muxer does not see. */
  function countRecords(): void {
    const { decoder: records } = connection
    const decode = records?.decode
    if (records === undefined || decode === undefined) return
    records.decode = function* (data) {
      for (const record of decode.call(records, data)) {
        if (record.byteLength <= emptyRecordBytes) orCut(() => budget.spend(1, 0))
        yield record
      }
    }
  }

  function orCutAlone(act: () => void): void {
    try {
      orCut(act)
    } catch (error) {
      if (!(error instanceof FrameFlood)) throw error
    }
  }

  const answered = (answers: number) => {
    if (answers > includedAnswers) orCutAlone(() => budget.spend(answerUnits, 0))
  }

  const { handleFrame, sendFrame, onData, decoder } = muxer
  if (handleFrame === undefined || sendFrame === undefined || onData === undefined || decoder === undefined) {
    return { opened: () => orCutAlone(() => budget.spend(openingUnits, 0)), answered }
  }
  countRecords()
  muxer.handleFrame = (frame) => {
    orCut(() => count(frame))
    handleFrame.call(muxer, frame)
  }
  muxer.sendFrame = (header, data) => {
    if (header.type === frameTypes.data && header.length > 0) expectedUpdates++
    return sendFrame.call(muxer, header, data)
  }
  muxer.onData = (data) => {
    onData.call(muxer, data)
    if (decoder.buffer.byteLength > maxFrameBytes + headerBytes + readBytes)
      throw new StreamBufferError('a frame exceeds the largest window')
  }
  return { opened: () => undefined, answered }
}
