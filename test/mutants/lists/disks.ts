import { breaks, type Mutant } from '../patch.ts'

/** Disks that are full, databases that take no writes, files that are gone, and starts that fail. */
export const disks: Mutant[] = [
  ...breaks(
    'src/log/write-watch.ts',
    ['test/log/write-watch.test.ts'],
    [
      [
        'nothing is tried while nobody writes',
        'if (failure === undefined && performance.now() - lastWrite < silenceMs) return',
        'if (failure === undefined) return',
      ],
      ['a trial is made every second', 'if (failure === undefined && performance.now() - lastWrite < silenceMs) return', ''],
      ['a failed append is not remembered', 'failure = error\n', ''],
      ['a failure is remembered for ever', 'failure = undefined\n    logger.info', 'logger.info'],
      ['each refusal writes a line', "if (!isDue('writes') && !isFirst) return", ''],
      ['files that are gone are noticed only by a trial', 'store.check()', 'void store.check'],
    ],
  ),
  ...breaks(
    'src/http/routes/probes.ts',
    ['test/http/probes.test.ts'],
    [['the last write does not matter', 'if (probes.writes.failure !== undefined) return probes.writes.failure', '']],
  ),
  ...breaks(
    'src/store/shared/files-in-place.ts',
    ['test/store/sqlite-failures.test.ts'],
    [['files that are gone are written to', 'if (moved === undefined) return', 'if (moved !== undefined || moved === undefined) return']],
  ),
  ...breaks(
    'src/store/sqlite/disk-room.ts',
    ['test/store/sqlite-failures.test.ts'],
    [
      ['a start on a full disk finds no room', 'if (isTight) removeReserve(path)', ''],
      ['the disk is full for ever', 'tight = false\n    copied = true', 'copied = true'],
      ['no reserve is written', 'if (held >= bytes) return', 'if (held <= bytes) return'],
    ],
  ),
  ...breaks(
    'src/store/shared/start-problem.ts',
    ['test/store/start-problem.test.ts'],
    [
      [
        'the password is told',
        "return `${username === '' ? '' : `${username}@`}${host}${pathname}`",
        'return `${username}@${host}${pathname} ${url}`',
      ],
    ],
  ),
  ...breaks(
    'src/store/postgres/database.ts',
    ['test/store/postgres-durability.test.ts'],
    [
      ['a commit waits for the disk as the server is set', "    synchronous_commit: 'on',\n", ''],
      ['a URL has the last word on settings', '[...options, ...ours]', '[...ours, ...options]'],
      ['the options of a URL take the place of ours', "if (!url.includes('options='))", "if (url !== '')"],
      ['the options of a URL are lost', '[...options, ...ours]', 'ours'],
      ['a server that does not wait for its disk is not told of', 'await warnWhenNotDurable(client, components)', ''],
    ],
  ),
  ...breaks(
    'src/store/shared/epoch.ts',
    ['test/store/sqlite-epoch.test.ts'],
    [
      ['the first lost message is told wrongly', 'from: tip + 1', 'from: tip'],
      ['a log that is gone altogether is not told', 'if (last === undefined) return', 'if (last !== undefined) return'],
    ],
  ),
  ...breaks(
    'src/store/postgres/database.ts',
    ['test/store/postgres-connections.test.ts'],
    [['a connection that a transaction holds ends the process', "pool.on('connect', (client) => client.on('error', onBroken))", '']],
  ),
]
