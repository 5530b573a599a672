import { breaks } from '../patch.ts'

export const streamContract = [
  ...breaks(
    'src/http/asyncapi-frames.ts',
    ['test/http/asyncapi.test.ts'],
    [
      ['a choice stays in a frame', 'return { ...anyOf[0], ...rest }', 'return part'],
      ['a schema has another name than its message', 'schemas.set(title, {', 'schemas.set(type, {'],
    ],
  ),
  ...breaks(
    'src/stream/frame-answers.ts',
    ['test/http/asyncapi.test.ts'],
    [['a frame has the answer of another', "ping: 'pong',", "ping: 'authenticated',"]],
  ),
  ...breaks(
    'src/stream/close-codes.ts',
    ['test/stream/close-codes.test.ts'],
    [['a close code is not the one that is sent', 'code: 1007', 'code: 1003']],
  ),
]
