import type { Entry } from '../log/entry.ts'
import type { EntryFormat, FrameWriter } from './codec.ts'

/** The frames of a run of messages, one after another, in one buffer. */
interface Run {
  writer: Pick<FrameWriter<never>, 'writeEntry'>
  format: EntryFormat
  entries: readonly Entry[]
  bytes: Buffer
}

/** Maximum runs that are kept, each of about `maxSocketBufferBytes`: the clients of one application share one or two. */
const maxRuns = 4

/** The newest last. */
const recent: Run[] = []

/**
 * Joins the frames of entries, once for all clients that are sent the same run: those that follow the same topics stand at the
 * same place of the log. One buffer is then the whole write of a socket, where the frames by themselves would be a
 * list of its own for each.
 */
export function joinedFrames(writer: Run['writer'], entries: readonly Entry[], format: EntryFormat): Buffer {
  const known = recent.find((run) => run.writer === writer && isSameFormat(run.format, format) && isSameRun(run.entries, entries))
  if (known !== undefined) return known.bytes
  const { encoding, name } = format
  const bytes = Buffer.concat(entries.map((entry) => writer.writeEntry(entry, format)))
  recent.push({ writer, format: { encoding, name }, entries, bytes })
  if (recent.length > maxRuns) recent.shift()
  return bytes
}

function isSameFormat(one: EntryFormat, other: EntryFormat): boolean {
  return one.encoding === other.encoding && one.name === other.name
}

function isSameRun(one: readonly Entry[], other: readonly Entry[]): boolean {
  return one.length === other.length && one.every((entry, index) => entry === other[index])
}
