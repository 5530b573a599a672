import { breaks } from '../patch.ts'

export const clock = [
  ...breaks(
    'src/clock/timeline.ts',
    ['test/clock/clock.test.ts'],
    [
      ['a step is followed at once', 'if (Math.abs(ms - trusted.ms) <= clockStepMs) {', 'if (Math.abs(ms - trusted.ms) <= Infinity) {'],
      ['many small steps move the age', 'if (at - trusted.since >= clockSettleMs) trusted', 'if (at >= 0) trusted'],
      ['a clock that steps again is trusted as soon', '} else if (Math.abs(ms - stepped.ms) > clockStepMs) {', '} else if (at < 0) {'],
      ['what is old ends while the clock is held', 'return stepped?.age ?? current', 'return current'],
      [
        'age time goes back with the clock',
        'lastAge = Math.max(lastAge, Math.floor(at + difference - offset))',
        'lastAge = Math.floor(at + difference - offset)',
      ],
      [
        'wall time goes back by small steps',
        'lastNow = Math.max(lastNow, Math.floor(monotonic() + difference))',
        'lastNow = Math.floor(monotonic() + difference)',
      ],
      ['wall time never goes back', 'if (ms < difference) lastNow = Number.NEGATIVE_INFINITY', ''],
      ['a step that is adopted moves the age', 'offset = at + ms - before - countedMs', 'offset = offset - countedMs'],
      ['the time off does not count', 'offset = at + ms - before - countedMs', 'offset = at + ms - before'],
      ['any time off counts', 'Math.min(Math.max(0, claimedMs), maxDowntimeMs)', 'Math.max(0, claimedMs)'],
      [
        'the time off is counted before the clock has settled',
        'claimedAtStart <= clockStepMs) offset',
        'claimedAtStart <= maxDowntimeMs) offset',
      ],
      [
        'a clock that claims too much is believed at a start',
        'claimedAtStart >= -clockStepMs && claimedAtStart <= maxDowntimeMs',
        'claimedAtStart >= -clockStepMs',
      ],
      ['a clock that is behind is believed at a start', 'claimedAtStart >= -clockStepMs && claimedAtStart', 'claimedAtStart'],
      ['a clock that is still behind has counted the time off', 'if (claimedMs >= 0) since = undefined', 'since = undefined'],
      ['the time off is noted as passed before it is counted', 'return hasSettled\n', 'return true\n'],
    ],
  ),
  ...breaks(
    'src/clock/clock.ts',
    ['test/clock/clock.test.ts'],
    [
      ['each gateway has its own clock', 'asked === undefined ? wall() : monotonic() + asked.ms', 'wall()'],
      ['the step that another gateway adopted is not taken over', 'timeline?.follow(checkpoint)', ''],
      [
        'how far time is is noted at the end only',
        'else if (running.isKeepable && !running.isHeld && monotonic() - notedAt >= noteMs) await note(Math.max(1, generation))',
        '',
      ],
      ['a start begins anew', 'monotonic,\n          checkpoint,', 'monotonic,\n          checkpoint: undefined,'],
    ],
  ),
  ...breaks(
    'src/gateway/gateway.ts',
    ['test/clock/expiries.test.ts'],
    [
      ['messages age by the wall clock', 'metrics, logger, now: settledAge },', 'metrics, logger, now },'],
      ['deliveries expire by the wall clock', 'carrier, clock })', 'carrier })'],
      ['sessions end by the wall clock', 'store: store.sessions, tokens, clock }', 'store: store.sessions, tokens }'],
      ['keys are looked up by the wall clock', 'log: store.log, load, now: settledAge }', 'log: store.log, load, now }'],
      ['tokens end by the clock of the process', 'limits }, { store, now, age: settledAge })', 'limits }, { store, age: settledAge })'],
    ],
  ),
  ...breaks(
    'src/access/jwt.ts',
    ['test/access/jwt.test.ts'],
    [
      ['shared tokens end by the clock of the process', "currentDate: new Date(now()), algorithms: ['HS256']", "algorithms: ['HS256']"],
      [
        'published tokens end by the clock of the process',
        'currentDate: new Date(now()), algorithms: asymmetric',
        'algorithms: asymmetric',
      ],
    ],
  ),
  ...breaks(
    'src/store/sqlite/append.ts',
    ['test/store/sqlite-store.test.ts'],
    [['time in the log goes back', 'receivedAt: Math.max(latest, message.receivedAt)', 'receivedAt: message.receivedAt']],
  ),
  ...breaks(
    'src/store/postgres/functions.ts',
    ['test/store/postgres-store.test.ts'],
    [
      ['time in the log goes back to before what is there', 'greatest(v_latest, max(f.given_at)', 'greatest(0, max(f.given_at)'],
      ['time goes back within a batch', 'greatest(v_latest, max(f.given_at) OVER (ORDER BY f.at))', 'greatest(v_latest, f.given_at)'],
    ],
  ),
]
