/**
 * Numbers in the data of messages, such as `#00000042#`, which a client finds in the bytes of any text or binary
 * protocol without parsing it. So a measured server has a client that costs next to nothing, and the same one as the
 * programs beside it.
 */

const sign = 0x23
const digits = 8
const markBytes = digits + 2
/** Numbers are below it. */
export const maxMarks = 10 ** digits

/** Data of a message: a mark, filled up. */
export function marked(number: number, bytes: number): string {
  return `#${String(number).padStart(digits, '0')}#`.padEnd(bytes, 'x')
}

/** Calls `onMark` for the number of each mark in a stream of bytes, however it is split. */
export function createMarkScanner(onMark: (number: number) => void): (bytes: Buffer) => void {
  /** The beginning of what may be a mark. */
  let rest: Buffer = Buffer.alloc(0)

  return (bytes) => {
    const all = rest.length === 0 ? bytes : Buffer.concat([rest, bytes])
    rest = rest.subarray(rest.length)
    for (let at = all.indexOf(sign); at >= 0; ) {
      if (at + markBytes > all.length) {
        // A copy: the bytes may be those of a buffer that is filled again.
        rest = Buffer.from(all.subarray(at))
        return
      }
      const number = numberAt(all, at)
      if (number !== undefined) onMark(number)
      at = all.indexOf(sign, number === undefined ? at + 1 : at + markBytes)
    }
  }
}

function numberAt(bytes: Buffer, at: number): number | undefined {
  if (bytes[at + markBytes - 1] !== sign) return undefined
  let number = 0
  for (let index = at + 1; index <= at + digits; index++) {
    const digit = (bytes[index] ?? 0) - 0x30
    if (digit < 0 || digit > 9) return undefined
    number = number * 10 + digit
  }
  return number
}
