import { breaks } from '../patch.ts'

export const lib = [
  ...breaks(
    'src/lib/bytes-schema.ts',
    ['test/lib/bytes-schema.test.ts'],
    [
      ['byte strings may be shorter than the minimum', 'value.length >= min', 'true'],
      ['byte strings may be longer than the maximum', 'value.length <= max', 'true'],
    ],
  ),
]
