/**
 * The part of the clock (clock.ts) for code that keeps data by its age and shows when it was created or ends. Times in
 * milliseconds.
 */
export interface Ages {
  /** Age time. */
  age(): number
  /** Age time that stands still while the wall clock is not trusted; expiry goes by it. */
  settledAge(): number
  /** Converts between age time and wall time, by their current difference. */
  toWall(age: number): number
  toAge(wall: number): number
}

/** Ages by a trusted clock: age time is wall time. */
export function agesOf(now: () => number = Date.now): Ages {
  return { age: now, settledAge: now, toWall: (age) => age, toAge: (wall) => wall }
}
