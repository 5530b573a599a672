import { InvalidArgumentError } from 'commander'

/** @throws InvalidArgumentError, which commander shows with the name of the option */
export function parseSeconds(text: string): number {
  const seconds = Number(text)
  if (text.trim() === '' || !Number.isFinite(seconds) || seconds < 0) throw new InvalidArgumentError('It is a number of seconds.')
  return seconds
}

/** @throws InvalidArgumentError */
export function parseCount(text: string): number {
  const count = Number(text)
  if (!Number.isInteger(count) || count < 1) throw new InvalidArgumentError('It is a number above zero.')
  return count
}
