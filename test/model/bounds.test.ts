import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { PeergateError } from '../../src/errors.ts'
import { boundsOf } from '../../src/model/bounds.ts'
import { nameSchema } from '../../src/model/text.ts'
import { topicPatternSchema } from '../../src/model/topic.ts'
import { inputParser } from '../../src/model/validation.ts'
import { clientFrameSchema } from '../../src/stream/client-frames.ts'

const many = 740_000

/** An array that counts how many of its elements are looked at. */
function watched(length: number, element: unknown): { array: unknown; looks(): number } {
  let looks = 0
  const array = new Proxy(new Array<unknown>(length).fill(element), {
    get(target, key, receiver) {
      if (typeof key === 'string' && /^\d+$/.test(key)) looks++
      return Reflect.get(target, key, receiver)
    },
  })
  return { array, looks: () => looks }
}

describe('a value that is longer than its schema allows', () => {
  it.each([
    ['an array', z.array(z.string().max(5)).max(100), (array: unknown) => array],
    [
      'an array in a union',
      z.union([z.strictObject({ a: z.string().max(5) }), z.array(z.string().max(5)).max(100)]),
      (array: unknown) => array,
    ],
    ['an array in an array', z.array(z.array(z.int()).max(9)).max(9), (array: unknown) => [[], array]],
    ['an array that a preprocess takes', z.preprocess((value) => value, z.array(z.int()).max(9)), (array: unknown) => array],
    ['topics of a frame', clientFrameSchema, (topics: unknown) => ({ type: 'subscribe', topics })],
  ])('is refused before any element is looked at: %s', (_, schema, around) => {
    const { array, looks } = watched(many, 0)
    const { error } = inputParser<z.ZodType>(schema)(around(array), 'No')
    expect(error?.errors).toHaveLength(1)
    expect(error?.errors?.[0]?.message).toMatch(/^must have at most \d+ items; these are 740000$/)
    expect(looks()).toBe(0)
  })

  it('says where', () => {
    const schema = z.strictObject({ topics: z.array(z.strictObject({ names: z.array(z.string().max(3)).max(2) })).max(3) })
    const { error } = inputParser(schema)({ topics: [{ names: [] }, { names: ['a', 'b', 'c'] }] }, 'No')
    expect(error?.errors).toEqual([{ path: '/topics/1/names', message: 'must have at most 2 items; these are 3' }])
  })

  it('is a string whose checks see no more than its beginning, and name the error', () => {
    let seen = 0
    const schema = z.strictObject({
      text: z
        .string()
        .max(10)
        .refine((text) => {
          seen = text.length
          return true
        }),
    })
    expect(inputParser(schema)({ text: 'x'.repeat(1_000_000) }, 'No').error?.errors?.[0]?.path).toBe('/text')
    expect(seen).toBeLessThanOrEqual(11)
    const { error } = inputParser(z.strictObject({ topic: topicPatternSchema }))({ topic: 'x'.repeat(1_000_000) }, 'No')
    expect(error).toMatchObject({ code: 'invalid_topic', errors: [{ path: '/topic', message: 'must be at most 256 bytes of UTF-8' }] })
  })

  it('is a string of fewer characters than units, as JSON Schema counts, or named as too long', () => {
    const parse = inputParser(z.strictObject({ name: nameSchema(10) }))
    expect(parse({ name: '😀'.repeat(10) }, 'No')).toEqual({ value: { name: '😀'.repeat(10) } })
    const { error } = parse({ name: '😀'.repeat(11) }, 'No')
    expect(error?.errors).toEqual([{ path: '/name', message: 'must have at most 10 characters' }])
  })

  it('is an object of many unknown keys, of which ten are named, shortly', () => {
    const keys = Object.fromEntries(Array.from({ length: 100_000 }, (_, index) => [`${'k'.repeat(1_000)}${index}`, 0]))
    const { error } = inputParser(z.strictObject({ known: z.int().optional() }))(keys, 'No')
    expect(error?.errors).toHaveLength(10)
    expect(JSON.stringify(error?.errors).length).toBeLessThan(5_000)
    expect(error?.message.length).toBeLessThanOrEqual(1_000)
  })
})

it('is let through when every length fits, transformed as the schema says', () => {
  const schema = z.strictObject({ names: z.array(z.string().max(3)).max(2), at: z.iso.datetime().max(64).transform(Date.parse) })
  const value = { names: ['abc', 'de'], at: '2026-01-01T00:00:00Z' }
  expect(inputParser(schema)(value, 'No')).toEqual({ value: { ...value, at: Date.parse(value.at) } })
})

it('names ten of many things that are wrong, each shortly', () => {
  const schema = z.array(z.strictObject({ a: z.int() })).max(1_000)
  const { error } = inputParser(schema)(new Array(1_000).fill({ ['k'.repeat(10_000)]: 1 }), 'No')
  expect(error?.errors).toHaveLength(10)
  expect(JSON.stringify(error?.errors).length).toBeLessThan(5_000)
})

it.each([
  ['an array', z.strictObject({ items: z.array(z.int()) })],
  ['a string', z.strictObject({ text: z.string().optional() })],
  ['a string below a union', z.union([z.int(), z.array(z.string()).max(3)])],
  ['a record', z.record(z.string().max(3), z.int())],
  ['anything', z.strictObject({ value: z.any() })],
])('a schema with %s that has no bound is no schema of input', (_, schema) => {
  expect(() => boundsOf(schema)).toThrow('no bound')
})

it('an error quotes no more than its beginning of what it is given, and cuts no character in two', () => {
  class Failed extends PeergateError {}
  const kind = { code: 'x', status: 400, title: 'x', retryable: false }
  const { message } = new Failed(kind, '𝕏'.repeat(10_000))
  expect(message.length).toBeLessThanOrEqual(1_000)
  expect(message.isWellFormed()).toBe(true)
})
