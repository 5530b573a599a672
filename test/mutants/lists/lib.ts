import { breaks } from '../patch.ts'

export const lib = [
  ...breaks(
    'src/lib/ip-network.ts',
    ['test/access/client-key.test.ts'],
    [
      [
        'an address in both families is two',
        'if (high === undefined || low === undefined) return canonical',
        "if (high !== '') return canonical",
      ],
    ],
  ),
  ...breaks(
    'src/lib/bytes-schema.ts',
    ['test/lib/bytes-schema.test.ts'],
    [
      ['byte strings may be shorter than the minimum', 'value.length >= min', 'true'],
      ['byte strings may be longer than the maximum', 'value.length <= max', 'true'],
    ],
  ),
  ...breaks(
    'src/lib/running-time.ts',
    ['test/lib/running-time.test.ts'],
    [
      [
        'all time in which the process stands still counts',
        'Math.min(maxCountedMs, performance.now() - lookedAt)',
        'performance.now() - lookedAt',
      ],
      ['time in which the process stands still is counted later', 'counted = now()', 'counted += performance.now() - lookedAt'],
      ['a pause before an instant is left out of the time since it', 'until > instant ? sum + ms : sum', 'sum + ms'],
      ['a pause that is not over counts', 'instant - before - missed()', 'instant - before'],
      ['pauses are remembered without end', 'if (pauses.length > maxPauses) pauses.shift()', ''],
      ['time since an instant goes back', 'Math.max(0, performance.now() - instant', '(performance.now() - instant'],
      ['time before the start counts', 'start() {\n      lookedAt = performance.now()', 'start() {'],
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
  ...breaks(
    'src/lib/look-up.ts',
    ['test/lib/look-up.test.ts'],
    [
      ['the hosts file is not read', 'if (inFile.length > 0) return inFile', ''],
      ['a name of the hosts file is compared by case', 'each.toLowerCase() === wanted', 'each === name'],
      ['comments of the hosts file are names', ".replace(/#.*/, '')", ''],
      ['addresses of the hosts file are of any family', '.filter(isWanted)', ''],
      ['a name is asked in both families', 'family === 6 ? []', 'family === 0 ? []'],
      [
        'the addresses of one family come first',
        'return Array.from({ length: longest }',
        'if (longest > 0) return lists.flat()\n  return Array.from({ length: longest }',
      ],
      ['a lookup goes on after its signal', "signal.addEventListener('abort', cancel)", ''],
      ['a signal that has fired is not seen', 'signal.throwIfAborted()\n    const resolver', 'const resolver'],
      ['a failing server sends the name to the system', 'if (found.length === 0 && failure', 'if (found.length < 0 && failure'],
      [
        'names of one label are not known to the system',
        '(declinedByDns.has(code) && localName.test(name))',
        'declinedByDns.has(`${code} `)',
      ],
      ['every name that DNS declines goes to the system', ' && localName.test(name)', ''],
      ['many names are with the system at a time', 'createSemaphore({ max: 1, maxWaiting,', 'createSemaphore({ max: 10, maxWaiting,'],
      ['any number of names waits for the system', 'createSemaphore({ max: 1, maxWaiting,', 'createSemaphore({ max: 1, maxWaiting: 1e6,'],
      ['one client’s names take all places that wait for the system', ', shares: (max) => createShares({ max }) })', ' })'],
      ['who gives up frees the place at the system', '.finally(() => place[Symbol.dispose]())', '.finally(() => undefined)'],
    ],
  ),
  ...breaks(
    'src/cli/work-through.ts',
    ['test/cli/work-through.test.ts'],
    [
      ['any number of items is in work', 'running.size >= concurrency', 'running.size >= 100 * concurrency'],
      ['more items are taken than there is room for', 'Math.min(concurrency - running.size, left)', 'left'],
      ['more items are taken than the limit', 'Math.min(concurrency - running.size, left)', 'concurrency - running.size'],
      ['what fails is not told', 'failing.signal.throwIfAborted()', ''],
      ['items are taken after a failure', 'AbortSignal.any([signal, failing.signal])', 'signal'],
      ['what was begun is not waited for', 'await Promise.all(running)\n  failing', 'failing'],
      ['a pull that fails is forgotten', 'if (!ending.aborted) failing.abort(error)', ''],
      ['a pull that the signal ended is a failure', 'if (!ending.aborted) failing.abort(error)', 'failing.abort(error)'],
    ],
  ),
  ...breaks(
    'src/cli/consumer-work.ts',
    ['test/cli/consumer-work.test.ts', 'test/cli/consumers.test.ts'],
    [
      [
        'a call that hangs fails as another error',
        'if (deadline.isOver) throw clientError',
        'if (deadline.isOver && ms < 0) throw clientError',
      ],
      ['the settings are read once', 'performance.now() - readAt >= commandLimits.workSettingsMs', 'readAt < 0'],
      ['the settings are read for each pull', 'readAt = performance.now()', ''],
      ['a report that failed is the last one', '.catch(() => true)', '.catch(() => false)'],
      [
        'progress is reported for what is no longer here',
        '!(await inTime(ms, ask, stopping)).unknown.includes(claim)',
        '(await inTime(ms, ask, stopping)).unknown.length < 9',
      ],
      [
        'a report may hang for longer than the time between two',
        'Math.min(everyMs, commandLimits.workAnswerMs)',
        'commandLimits.workAnswerMs * 9',
      ],
      ['progress is reported when the time of a delivery is over', 'const progressShare = 1 / 3', 'const progressShare = 1'],
      [
        'a verdict that cannot be told ends the work',
        'if (!(error instanceof PeergateError) || !error.retryable) throw error',
        'throw error',
      ],
      ['a verdict that is refused is no failure', 'if (!(error instanceof PeergateError) || !error.retryable) throw error', ''],
      [
        'nobody hears of a verdict that could not be told',
        'say(`What became of ${message.id} could not be told: ${error.message}. It comes again.`)',
        'void error.message',
      ],
      ['what fails counts as done', "code === 0 ? 'ack' : 'retry'", "code === null ? 'retry' : 'ack'"],
      ['a program that cannot be started is no failure', 'if (failure !== undefined) throw', 'if (failure === null) throw'],
    ],
  ),
]
