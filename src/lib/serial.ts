/** Runs tasks one at a time, in the order given, whether or not earlier ones fail; returns the task's result. */
export type Serial = <Result>(work: () => Promise<Result>) => Promise<Result>

export function createSerial(): Serial {
  let last: Promise<unknown> = Promise.resolve()
  return (work) => {
    const done = last.then(work)
    last = done.catch(() => undefined)
    return done
  }
}
