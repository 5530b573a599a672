import { expect, test } from 'vitest'
import { z } from 'zod'
import { jsonSchema } from '../../src/http/json-schema.ts'

const colour = z.enum(['red', 'green'])
const shape = z.enum(['round', 'flat']).meta({ id: 'Shape', description: 'Its form.' })
const named = z.string().max(9).meta({ id: 'Name', description: 'A name.' })
const colours = { type: 'string', enum: ['red', 'green'] }
const shapes = { $ref: '#/components/schemas/Shape' }
const openColours = { type: 'string', 'x-extensible-enum': ['red', 'green'] }
const openShapes = { type: 'string', 'x-extensible-enum': ['round', 'flat'], description: 'Its form.' }

test.each([
  ['in place', colour, openColours],
  ['with a description', colour.describe('Of it.'), { ...openColours, description: 'Of it.' }],
  ['or null', colour.nullable(), { ...openColours, type: ['string', 'null'] }],
  ['in a list', z.array(colour), { type: 'array', items: openColours }],
  ['by name', shape, openShapes],
  ['by name with a description', shape.describe('Of it.'), { ...openShapes, description: 'Of it.' }],
  ['by name or null', shape.nullable(), { ...openShapes, type: ['string', 'null'] }],
  [
    'by name or null with a description',
    shape.nullable().describe('Of it.'),
    { ...openShapes, type: ['string', 'null'], description: 'Of it.' },
  ],
  ['of one truth value', z.literal(true), { type: 'boolean' }],
])('an enumeration that a client reads is any text, with the known values beside it: %s', (_, schema, expected) => {
  expect(jsonSchema(schema, 'client', new Map())).toEqual(expected)
})

test.each([
  ['a text', z.string().max(9).nullable(), { type: ['string', 'null'], maxLength: 9 }],
  ['a time', z.iso.datetime().nullable(), { type: ['string', 'null'], format: 'date-time' }],
  ['a count', z.int().min(0).nullable(), { type: ['integer', 'null'], format: 'int64', minimum: 0 }],
  ['a named text', named.nullable(), { type: ['string', 'null'], maxLength: 9, description: 'A name.' }],
  ['a named text with a description', named.nullable().describe('Its.'), { type: ['string', 'null'], maxLength: 9, description: 'Its.' }],
])('%s or null is one schema with two types', (_, schema, expected) => {
  expect(jsonSchema(schema, 'client', new Map())).toEqual(expected)
})

test.each([
  [z.int().min(0), { minimum: 0, maximum: 2 ** 53 - 1, format: 'int64' }, { minimum: 0, format: 'int64' }],
  [z.int().min(1).max(500), { minimum: 1, maximum: 500, format: 'int32' }, { minimum: 1, maximum: 500, format: 'int32' }],
  [z.number(), { format: 'double' }, { format: 'double' }],
])('a number has its format, and for the gateway its bounds', (schema, gateway, client) => {
  expect(jsonSchema(schema, 'gateway', new Map())).toMatchObject(gateway)
  const { type: _, ...keywords } = jsonSchema(schema, 'client', new Map())
  expect(keywords).toEqual(client)
})

test('an enumeration that the gateway reads is what is known', () => {
  expect(jsonSchema(colour, 'gateway', new Map())).toEqual(colours)
  expect(jsonSchema(shape, 'gateway', new Map())).toEqual(shapes)
})

test('a named enumeration is a component for the gateway only', () => {
  const components = new Map()
  jsonSchema(shape, 'client', components)
  expect(components).toEqual(new Map())
  jsonSchema(shape, 'gateway', components)
  expect(components.get('Shape')).toMatchObject({ type: 'string', enum: ['round', 'flat'] })
})

test('a name stands for one schema', () => {
  const thing = z.object({ colour }).meta({ id: 'Thing' })
  const components = new Map()
  jsonSchema(thing, 'gateway', components)
  expect(() => jsonSchema(thing, 'client', components)).toThrow('Thing')
})
