/** In a list in the order of sequence numbers: the index of the first element whose number is not below one. */
export function placeOf(list: ReadonlyArray<{ sequence: bigint }>, sequence: bigint): number {
  let [from, to] = [0, list.length]
  while (from < to) {
    const middle = (from + to) >>> 1
    if ((list[middle]?.sequence ?? sequence) < sequence) from = middle + 1
    else to = middle
  }
  return from
}
