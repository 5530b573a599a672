import { createRequire } from 'node:module'
import { expect, test } from 'vitest'
import { compressibleTypes, replaced } from '../scripts/build-plugins.ts'

/** What the build changes in packages means the same to those who use them. */

test('of the types of media, the built gateway compresses those that @fastify/compress would', () => {
  const require = createRequire(createRequire(import.meta.url).resolve('@fastify/compress'))
  const types: Record<string, { compressible?: boolean }> = require('mime-db')
  const built: { exports: typeof types } = { exports: {} }
  new Function('module', compressibleTypes(types))(built)
  const compressible = (of: typeof types) => Object.keys(types).filter((type) => of[type]?.compressible === true)
  expect(compressible(built.exports)).toEqual(compressible(types))
  expect(compressible(types).length).toBeGreaterThan(100)
})

test('a package that no longer has what the build replaces fails it', () => {
  expect(replaced('a b a', /a/g, '$&')).toBe('$& b $&')
  expect(() => replaced('b', /a/g, 'c')).toThrow('/a/g')
})
