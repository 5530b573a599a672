/** What those need of the clock who keep things by their age and show when they were made or end (clock.ts). Times in milliseconds. */
export interface Ages {
  /** Age time. */
  age(): number
  /** Age time, which stands still while the wall clock is not trusted: by it things end that become too old. */
  settledAge(): number
  /** One as the other, by what they are now. */
  toWall(age: number): number
  toAge(wall: number): number
}

/** Ages by a clock that is right: age time is wall time. */
export function agesOf(now: () => number = Date.now): Ages {
  return { age: now, settledAge: now, toWall: (age) => age, toAge: (wall) => wall }
}
