import { z } from 'zod'
import { issueText } from '../lib/issue-text.ts'
import { firstCharacters, isLonger } from './text.ts'

/**
 * Checks the lengths in a value before its schema examines any element. Zod collects an issue for every element of an
 * array and every key of an object, so that the cost of a refusal grows with the value. This check stops at the first
 * excessive length, at constant cost.
 * @returns the issues of that field, as zod would report them; undefined when every length is within its bound
 */
export type Bounds = (value: unknown) => z.core.$ZodIssue[] | undefined

/** Maximum unknown keys of a strict object that the schema still examines, so that the error can name each. */
const maxUnknownKeys = 10

/**
 * Reads the bounds from an input schema: `.max` of arrays and strings, or `maxLength` in the meta of strings with a
 * custom check. A union refuses a value that exceeds any of its options; a discriminated union uses the matching
 * option.
 * @throws Error when an array, string or record has no bound
 */
export function boundsOf(schema: z.ZodType): Bounds {
  return compile(schema, 'input') ?? (() => undefined)
}

/** Undefined for schemas without a length, such as numbers and enumerations. */
function compile(schema: z.core.$ZodType, path: string): Bounds | undefined {
  // Its definition tells the kinds apart (https://zod.dev/library-authors).
  const { def } = (schema as z.core.$ZodTypes)._zod
  switch (def.type) {
    case 'string':
    // Any value: the bound of a string holds, and elements are left to what reads them.
    case 'unknown':
      return ofString(schema, lengthOf(schema, path))
    case 'array':
      return ofArray(lengthOf(schema, path), compile(def.element, `${path}[]`))
    case 'object':
      return ofObject(def, path)
    case 'union':
      return ofUnion(def, path)
    case 'optional':
    case 'nullable':
    case 'default':
    case 'prefault':
    case 'nonoptional':
    case 'readonly':
    case 'catch':
      return compile(def.innerType, path)
    case 'pipe':
      return ofPipe(schema, def, path)
    case 'record':
    case 'map':
    case 'set':
    case 'lazy':
    case 'any':
      throw new Error(`${path}: a ${def.type} has no bound`)
    default:
      return undefined
  }
}

function lengthOf(schema: z.core.$ZodType, path: string): number {
  const checks = ((schema as z.core.$ZodTypes)._zod.def.checks ?? []).map((check) => (check as z.core.$ZodChecks)._zod.def)
  const maxima = checks.flatMap((def) => (def.check === 'max_length' ? def.maximum : []))
  const max = z.globalRegistry.get(schema)?.['maxLength'] ?? maxima[0]
  if (typeof max !== 'number') throw new Error(`${path} has no bound: give it .max(), or maxLength in its meta`)
  return max
}

/** Passes only the beginning of an excessive string to the schema, which names the error. */
function ofString(schema: z.core.$ZodType, max: number): Bounds {
  return (value) => {
    if (typeof value !== 'string' || !isLonger(value, max)) return undefined
    const { error } = z.safeParse(schema, firstCharacters(value, max + 1), { error: issueText })
    return error?.issues ?? [tooLong(`must have at most ${max} characters`)]
  }
}

function ofArray(max: number, ofElement: Bounds | undefined): Bounds {
  return (value) => {
    if (!Array.isArray(value)) return undefined
    if (value.length > max) return [tooLong(`must have at most ${max} items; these are ${value.length}`)]
    if (ofElement === undefined) return undefined
    for (const [index, element] of value.entries()) {
      const found = ofElement(element)
      if (found !== undefined) return found.map((issue) => ({ ...issue, path: [index, ...issue.path] }))
    }
    return undefined
  }
}

function ofObject({ shape, catchall }: z.core.$ZodObjectDef, path: string): Bounds {
  const isStrict = catchall?._zod.def.type === 'never'
  const names = Object.keys(shape)
  const fields = Object.entries(shape).flatMap(([name, schema]) => {
    const bounds = compile(schema, `${path}.${name}`)
    return bounds === undefined ? [] : [{ name, bounds }]
  })
  return (value) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined
    if (isStrict) {
      const keys = Object.keys(value)
      if (keys.length > names.length + maxUnknownKeys) return [unknownKeys(keys, shape)]
    }
    for (const { name, bounds } of fields) {
      const found = Object.hasOwn(value, name) ? bounds(Reflect.get(value, name)) : undefined
      if (found !== undefined) return found.map((issue) => ({ ...issue, path: [name, ...issue.path] }))
    }
    return undefined
  }
}

function ofUnion(def: z.core.$ZodUnionDef, path: string): Bounds | undefined {
  if ('discriminator' in def) return ofDiscriminated(def as z.core.$ZodDiscriminatedUnionDef, path)
  const options = def.options.flatMap((option) => compile(option, path) ?? [])
  if (options.length === 0) return undefined
  return (value) => {
    for (const bounds of options) {
      const found = bounds(value)
      if (found !== undefined) return found
    }
    return undefined
  }
}

function ofDiscriminated({ options, discriminator }: z.core.$ZodDiscriminatedUnionDef, path: string): Bounds {
  const byKind = new Map<unknown, Bounds>()
  for (const option of options) {
    const bounds = compile(option, path)
    const kinds = (option as z.core.$ZodTypeDiscriminable)._zod.propValues[discriminator] ?? []
    if (bounds !== undefined) for (const kind of kinds) byKind.set(kind, bounds)
  }
  return (value) => {
    if (typeof value !== 'object' || value === null) return undefined
    return byKind.get(Reflect.get(value, discriminator))?.(value)
  }
}

/** Assumes that a preprocess does not lengthen the value. */
function ofPipe(schema: z.core.$ZodType, { in: first, out }: z.core.$ZodPipeDef, path: string): Bounds | undefined {
  const { type } = first._zod.def
  if (type === 'transform') return compile(out, path)
  // For a string, the whole pipe names the error.
  return type === 'string' ? ofString(schema, lengthOf(first, path)) : compile(first, path)
}

function tooLong(message: string): z.core.$ZodIssue {
  return { code: 'custom', path: [], message, input: undefined }
}

function unknownKeys(keys: string[], shape: object): z.core.$ZodIssue {
  const unknown = keys.filter((key) => !Object.hasOwn(shape, key)).slice(0, maxUnknownKeys)
  return { code: 'unrecognized_keys', keys: unknown, path: [], message: 'has unknown keys' }
}
