import { expect, test } from 'vitest'
import { createEntry } from '../../src/log/entry.ts'
import { cborCodec, type EntryFormat, jsonCodec } from '../../src/stream/codec.ts'
import { joinedFrames } from '../../src/stream/joined-frames.ts'
import { storedMessage } from '../fixtures/messages.ts'

const entries = (...seqs: number[]) => seqs.map((seq) => createEntry(storedMessage(seq), 'e1'))
const plain: EntryFormat = { encoding: 'utf8', name: undefined }

test('frames of a run are those of its messages, one after another', () => {
  const run = entries(1, 2, 3)
  expect(joinedFrames(jsonCodec, run, plain)).toEqual(Buffer.concat(run.map((entry) => jsonCodec.writeEntry(entry, plain))))
})

test('clients with the same run and format are sent the same bytes, which were joined once', () => {
  const [one, two, three] = entries(1, 2, 3)
  if (one === undefined || two === undefined || three === undefined) throw new Error('there are three entries')
  const bytes = joinedFrames(jsonCodec, [one, two, three], plain)
  expect(joinedFrames(jsonCodec, [one, two, three], { ...plain })).toBe(bytes)
  for (const other of [
    joinedFrames(cborCodec, [one, two, three], plain),
    joinedFrames(jsonCodec, [one, two, three], { ...plain, encoding: 'base64' }),
    joinedFrames(jsonCodec, [one, two, three], { ...plain, name: 'mine' }),
    joinedFrames(jsonCodec, [one, three], plain),
    joinedFrames(jsonCodec, [one, two], plain),
  ])
    expect(other).not.toEqual(bytes)
  // Between the same ends, of as many messages.
  const [four, five] = entries(4, 5)
  if (four === undefined || five === undefined) throw new Error('there are two entries')
  expect(joinedFrames(jsonCodec, [one, four, five], plain)).not.toEqual(joinedFrames(jsonCodec, [one, two, five], plain))
})

test('a few runs are kept, and no more', () => {
  const run = entries(1, 2)
  const bytes = joinedFrames(jsonCodec, run, plain)
  for (const name of ['a', 'b', 'c']) joinedFrames(jsonCodec, run, { ...plain, name })
  expect(joinedFrames(jsonCodec, run, plain)).toBe(bytes)
  joinedFrames(jsonCodec, run, { ...plain, name: 'd' })
  expect(joinedFrames(jsonCodec, run, plain)).not.toBe(bytes)
})
