import { describe, expect, it } from 'vitest'
import { createFrameMeter } from '../../src/stream/frame-meter.ts'
import { createIncoming, FrameTooLarge } from '../../src/stream/incoming.ts'

const mask = [1, 2, 3, 4]

/** A frame of a client, whose payload is zeros. */
function frame({ opcode = 1, isLast = true, length }: { opcode?: number; isLast?: boolean; length: number }): Buffer {
  const head = Buffer.alloc(length < 126 ? 2 : length < 65_536 ? 4 : 10)
  head[0] = (isLast ? 0x80 : 0) | opcode
  head[1] = 0x80 | (length < 126 ? length : length < 65_536 ? 126 : 127)
  if (length >= 65_536) head.writeBigUInt64BE(BigInt(length), 2)
  else if (length >= 126) head.writeUInt16BE(length, 2)
  return Buffer.concat([head, Buffer.from(mask), Buffer.alloc(length)])
}

const several = Buffer.concat([
  frame({ length: 5 }),
  frame({ length: 0 }),
  frame({ opcode: 9, length: 3 }),
  frame({ length: 300, isLast: false }),
  frame({ opcode: 10, length: 0 }),
  frame({ opcode: 0, length: 70_000 }),
  frame({ opcode: 2, length: 65_535 }),
])

describe('the meter of frames', () => {
  it.each([1, 2, 7, 1_000, 1_000_000])('tells messages and their bytes from chunks of %i', (size) => {
    const seen: Array<number | 'end'> = []
    const meter = createFrameMeter({ onMessage: (bytes) => seen.push(bytes), onEnd: () => seen.push('end') })
    for (let at = 0; at < several.length; at += size) meter.read(several.subarray(at, at + size))
    expect(seen).toEqual([5, 'end', 0, 'end', 300, 70_300 + 256, 'end', 65_535, 'end'])
  })

  it('tells how long a message will be when only its head has come', () => {
    const seen: number[] = []
    createFrameMeter({ onMessage: (bytes) => seen.push(bytes), onEnd: () => undefined }).read(frame({ length: 1_000_000 }).subarray(0, 14))
    expect(seen).toEqual([1_000_000])
  })
})

/** What arrives of one client, with room for so many bytes. */
function incoming(room: number, maxBytes = 1_000_000) {
  let held = 0
  const refused: unknown[] = []
  let read: (chunk: Uint8Array) => void = () => undefined
  const arriving = createIncoming(
    { maxBytes: () => maxBytes },
    {
      room: {
        take(_, bytes) {
          if (held + bytes > room) throw new Error('full')
          held += bytes
          return {
            [Symbol.dispose]() {
              held -= bytes
            },
          }
        },
      },
      client: { grantId: 'tok_1', address: '192.0.2.1' },
      wire: { prependListener: (_, listener) => (read = listener) },
      onRefused: (error) => refused.push(error),
    },
  )
  return { arriving, refused, read: (chunk: Uint8Array) => read(chunk), held: () => held }
}

describe('frames that arrive', () => {
  it('are held from their head until they have been dealt with', () => {
    const { arriving, read, held } = incoming(200_000)
    const whole = frame({ length: 100_000 })
    read(whole.subarray(0, 20))
    expect(held()).toBe(100_000)
    read(whole.subarray(20))
    const taken = arriving.take(100_000)
    expect(held()).toBe(100_000)
    taken[Symbol.dispose]()
    expect(held()).toBe(0)
  })

  it('are held each by themselves', () => {
    const { arriving, read, held } = incoming(200_000)
    read(Buffer.concat([frame({ length: 100_000 }), frame({ length: 50_000 })]))
    const first = arriving.take(100_000)
    const second = arriving.take(50_000)
    expect(held()).toBe(150_000)
    first[Symbol.dispose]()
    expect(held()).toBe(50_000)
    second[Symbol.dispose]()
    expect(held()).toBe(0)
  })

  it('are refused by their head when there is no room, and hold nothing then', () => {
    const { read, refused, held } = incoming(150_000)
    read(Buffer.concat([frame({ length: 100_000 }), frame({ length: 100_000 }).subarray(0, 20)]))
    expect(refused).toHaveLength(1)
    expect(held()).toBe(0)
  })

  it('are refused by their head when they are larger than the client may send, in one frame or in many', () => {
    const one = incoming(1_000_000, 10_000)
    one.read(frame({ length: 10_001 }).subarray(0, 20))
    expect(one.refused).toEqual([expect.any(FrameTooLarge)])
    const many = incoming(1_000_000, 10_000)
    for (let count = 0; count < 100; count++) many.read(frame({ opcode: count === 0 ? 1 : 0, isLast: false, length: 1 }))
    expect(many.refused).toEqual([expect.any(FrameTooLarge)])
  })

  it.each([0, 1])('cost what their pieces cost, of %i bytes each: room while they come, and the rate of the client', (length) => {
    const { arriving, read, held } = incoming(1_000_000)
    const pieces = 1_000
    for (let piece = 0; piece < pieces; piece++) {
      read(frame({ opcode: piece === 0 ? 1 : 0, isLast: piece === pieces - 1, length }))
    }
    expect(held()).toBeGreaterThan(250_000)
    const taken = arriving.take(pieces * length)
    expect(taken.bytes).toBe(pieces * length + (pieces - 1) * 256)
    taken[Symbol.dispose]()
    expect(held()).toBe(0)
    read(frame({ length: 5 }))
    expect(arriving.take(5).bytes).toBe(5)
  })

  it('are given back when the client is gone', () => {
    const { arriving, read, held } = incoming(1_000_000)
    read(Buffer.concat([frame({ length: 100_000 }), frame({ length: 100_000 }).subarray(0, 20)]))
    expect(held()).toBe(200_000)
    arriving[Symbol.dispose]()
    expect(held()).toBe(0)
  })

  it('are counted when they are whole where they are small', () => {
    const { arriving, read, held } = incoming(1_000)
    read(frame({ length: 100 }))
    expect(held()).toBe(0)
    arriving.take(100)
    expect(held()).toBe(100)
  })
})
