/** Milliseconds of each of `count` round trips, one after another. */
export async function timeRoundTrips(count: number, roundTrip: () => Promise<void>): Promise<number[]> {
  const times: number[] = []
  for (let done = 0; done < count; done++) {
    const start = performance.now()
    await roundTrip()
    times.push(performance.now() - start)
  }
  return times
}
