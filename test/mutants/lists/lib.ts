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
  ...breaks(
    'src/lib/bounded-map.ts',
    ['test/lib/bounded-map.test.ts'],
    [
      ['a bounded map has one entry too many', 'this.size > this.#max', 'this.size > this.#max + 1'],
      ['a bounded map keeps the place of a key that is set again', 'this.delete(key)\n    super', 'super'],
      ['a used entry of a bounded map keeps its place', 'if (value !== undefined) this.set(key, value)', ''],
      ['a bounded map evicts silently', 'this.#onEvicted?.(key, value)', ''],
      ['entries behind one that is not due are deleted', 'if (!isDue(value)) return', 'if (!isDue(value)) continue'],
    ],
  ),
  ...breaks(
    'src/lib/lru.ts',
    ['test/lib/lru.test.ts'],
    [
      ['a value is made anew with each use', 'values.get(key) ?? make(key)', 'make(key)'],
      ['a used value stays the first to go', 'values.set(key, value)', 'if (!values.has(key)) values.set(key, value)'],
    ],
  ),
  ...breaks(
    'src/lib/single-flight.ts',
    ['test/lib/single-flight.test.ts'],
    [
      ['two runs are in progress', 'running ??= work', 'running = work'],
      ['work runs once and never again', 'running = undefined\n      })', '})'],
    ],
  ),
  ...breaks(
    'src/lib/loop.ts',
    ['test/lib/loop.test.ts'],
    [
      ['runs of a loop overlap', 'running ??= run()', 'running = run()'],
      ['a request during a run is forgotten', 'turn !== undefined; turn = asked', 'turn !== undefined; turn = undefined'],
      [
        'a request during a run is taken for served by it',
        'asked = undefined\n        await work().catch(onError).finally(turn.resolve)',
        'await work().catch(onError).finally(turn.resolve)\n        asked = undefined',
      ],
      ['a failed run ends the loop', '.catch(onError)', '.catch((error) => {\n        onError(error)\n        isAsked = false\n      })'],
    ],
  ),
  ...breaks(
    'src/lib/write-behind.ts',
    ['test/lib/write-behind.test.ts'],
    [
      ['each change sets a timer', 'timer ??= setTimeout(begin', 'timer = setTimeout(begin'],
      ['a flush does not wait for its write', 'return writes.next()', 'void writes.next()\n    return Promise.resolve()'],
      ['a flush leaves the timer behind', 'clearTimeout(timer)\n', ''],
      ['only the first changes are written', 'timer = undefined\n    return', 'return'],
    ],
  ),
  ...breaks(
    'src/lib/deadline.ts',
    ['test/lib/deadline.test.ts'],
    [
      ['a deadline takes a signal for the timeout', 'if (controller.signal.aborted) return', ''],
      ['a deadline begins although its signal has fired', 'if (signal.aborted) controller.abort(signal.reason)', ''],
      ['a deadline that was disposed of fires', 'clearTimeout(timer)', ''],
      ['a deadline that was disposed of listens on', "for (const signal of signals) signal.removeEventListener('abort', follow)", ''],
      ['work goes on although its signal has fired', 'if (signal.aborted) abort()', ''],
    ],
  ),
  ...breaks(
    'src/lib/watchers.ts',
    ['test/lib/watchers.test.ts'],
    [
      ['a watcher that throws keeps the others from theirs', 'Promise.try(watcher, ...args)', 'Promise.resolve(watcher(...args))'],
      ['who waits for watchers does not', 'Promise.all(callAll(args)).then(() => undefined)', 'Promise.resolve(void callAll(args))'],
    ],
  ),
]
