import { expect, test } from 'vitest'
import { z } from 'zod'
import { jsonSchema } from '../../src/http/json-schema.ts'

const colour = z.enum(['red', 'green'])
const shape = z.enum(['round', 'flat']).meta({ id: 'Shape' })
const anyText = { type: 'string' }
const colours = { type: 'string', enum: ['red', 'green'] }
const shapes = { $ref: '#/components/schemas/Shape' }

test.each([
  ['in place', colour, { anyOf: [colours, anyText] }],
  ['with a description', colour.describe('Of it.'), { description: 'Of it.', anyOf: [colours, anyText] }],
  ['or null', colour.nullable(), { anyOf: [colours, anyText, { type: 'null' }] }],
  ['in a list', z.array(colour), { type: 'array', items: { anyOf: [colours, anyText] } }],
  ['by name', shape, { anyOf: [shapes, anyText] }],
  ['by name with a description', shape.describe('Of it.'), { description: 'Of it.', anyOf: [shapes, anyText] }],
  ['by name or null', shape.nullable(), { anyOf: [shapes, anyText, { type: 'null' }] }],
])('an enumeration that a client reads is any text beside what is known: %s', (_, schema, expected) => {
  expect(jsonSchema(schema, 'client', new Map())).toEqual(expected)
})

test('an enumeration that the gateway reads is what is known', () => {
  expect(jsonSchema(colour, 'gateway', new Map())).toEqual(colours)
  expect(jsonSchema(shape, 'gateway', new Map())).toEqual(shapes)
})

test('a named enumeration lists what is known, whoever reads it', () => {
  const components = new Map()
  jsonSchema(shape, 'gateway', components)
  jsonSchema(shape, 'client', components)
  expect(components.get('Shape')).toMatchObject({ type: 'string', enum: ['round', 'flat'] })
})

test('a name stands for one schema', () => {
  const thing = z.object({ colour }).meta({ id: 'Thing' })
  const components = new Map()
  jsonSchema(thing, 'gateway', components)
  expect(() => jsonSchema(thing, 'client', components)).toThrow('Thing')
})
