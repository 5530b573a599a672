import { InvalidArgumentError } from 'commander'

/** @throws InvalidArgumentError, which commander shows with the name of the option */
export function parseSeconds(text: string): number {
  const seconds = Number(text)
  if (text.trim() === '' || !Number.isFinite(seconds) || seconds < 0) throw new InvalidArgumentError('It is a number of seconds.')
  return seconds
}

/** Whole milliseconds of a number of seconds; undefined without one. */
export const millisecondsOf = (seconds: number | undefined) => (seconds === undefined ? undefined : Math.round(seconds * 1_000))

/** @throws InvalidArgumentError */
export function parseCount(text: string): number {
  const count = Number(text)
  if (!Number.isInteger(count) || count < 1) throw new InvalidArgumentError('It is a number above zero.')
  return count
}

/** A count for which zero has a meaning, such as "no limit". @throws InvalidArgumentError */
export function parseCountOrZero(text: string): number {
  return text.trim() === '0' ? 0 : parseCount(text)
}
