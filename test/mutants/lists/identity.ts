import { breaks } from '../patch.ts'

export const identity = [
  ...breaks(
    'src/identity/key-file.ts',
    ['test/identity/identity.test.ts'],
    [
      ['a key that everybody can read is used', '(mode & 0o007) !== 0', '(mode & 0o000) !== 0'],
      ['a key of a strange group is used', 'if (!isOwnGroup) return', 'if (mode === 0) return'],
      ['a key that its group may replace is used', '(mode & 0o020) === 0', '(mode & 0o000) === 0'],
      ['what is left of a key that found no room stays', 'await unlink(draft).catch(() => undefined)', 'draft'],
      [
        'a key of another kind is used',
        "seed.length === 32 && createPrivateKey(pem).asymmetricKeyType === 'ed25519'",
        'seed.length === 32',
      ],
      ['a new key is readable by everybody', "open(path, 'wx', 0o600)", "open(path, 'wx', 0o644)"],
      [
        'of two that make the key each has its own',
        'return await readFile(path)\n}\n\n/** Writes the complete',
        'return Buffer.from(pem)\n}\n\n/** Writes the complete',
      ],
    ],
  ),
  ...breaks(
    'src/identity/sequence.ts',
    ['test/identity/sequence.test.ts'],
    [
      ['a number is given before its ceiling is durable', 'if (last >= store.ceiling) store.raise(last + ceilingBlock)', ''],
      ['numbers fall with the clock', 'last = clock > last ? clock : last + 1n', 'last = clock'],
      ['the ceiling is given', 'if (last >= store.ceiling)', 'if (last > store.ceiling)'],
    ],
  ),
  ...breaks(
    'src/identity/key-state.ts',
    ['test/identity/identity.test.ts'],
    [
      [
        'two processes hold one key',
        'PRAGMA locking_mode = EXCLUSIVE; PRAGMA synchronous = FULL; BEGIN EXCLUSIVE',
        'PRAGMA synchronous = FULL; BEGIN',
      ],
    ],
  ),
]
