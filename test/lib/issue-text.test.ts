import { expect, it } from 'vitest'
import { z } from 'zod'
import { issueText } from '../../src/lib/issue-text.ts'
import { jsonPointer } from '../../src/lib/json-pointer.ts'

it.each([
  [z.object({ name: z.string() }), {}, 'is missing'],
  [z.object({ level: z.enum(['info', 'debug']) }), {}, 'is missing'],
  [z.string(), 7, 'must be a string'],
  [z.int(), 1.5, 'must be a whole number'],
  [z.int(), '1', 'must be a number'],
  [z.boolean(), 'true', 'must be true or false'],
  [z.array(z.int()), {}, 'must be a list'],
  [z.strictObject({}), [], 'must be an object'],
  [z.array(z.int()).min(1), [], 'must have at least 1 item'],
  [z.array(z.int()).max(2), [1, 2, 3], 'must have at most 2 items'],
  [z.string().min(1), '', 'must have at least 1 character'],
  [z.string().max(3), 'abcd', 'must have at most 3 characters'],
  [z.int().min(1), 0, 'must be at least 1'],
  [z.int().max(500), 501, 'must be at most 500'],
  [z.enum(['utf8', 'base64']), 'hex', 'must be one of "utf8", "base64"'],
  [z.literal(true), false, 'must be true'],
  [z.iso.datetime(), 'today', 'must be a time as in RFC 3339, like 2026-11-23T12:00:00Z'],
  [z.string().regex(/^a$/), 'b', 'does not have the right form'],
  [z.union([z.string(), z.int()]), true, 'is not valid'],
  [z.string().regex(/^a$/, 'must be an a'), 'b', 'must be an a'],
])('%s', (schema, value, message) => {
  expect(schema.safeParse(value, { error: issueText }).error?.issues[0]?.message).toBe(message)
})

it.each([
  [[], ''],
  [['messages', 1, 'data'], '/messages/1/data'],
  [['a/b', '~'], '/a~1b/~0'],
])('the JSON Pointer of %j is %s', (path, pointer) => {
  expect(jsonPointer(path)).toBe(pointer)
})
