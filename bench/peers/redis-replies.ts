/**
 * Cuts the bytes of a Redis server into replies, whose content stays as it is.
 * https://redis.io/docs/latest/develop/reference/protocol-spec (RESP2)
 * @param onReply is called with bytes that are valid during the call, and longer if they are kept
 */
export function createReplies(onReply: (reply: Buffer) => void): (chunk: Buffer) => void {
  let received: Buffer = Buffer.alloc(0)
  return (chunk) => {
    received = received.length === 0 ? chunk : Buffer.concat([received, chunk])
    let at = 0
    for (let end = replyEnd(received, at); end !== undefined; end = replyEnd(received, at)) {
      onReply(received.subarray(at, end))
      at = end
    }
    received = received.subarray(at)
  }
}

/** Where the reply that begins at `at` ends; undefined when it is not complete. */
function replyEnd(bytes: Buffer, at: number): number | undefined {
  const lineEnd = bytes.indexOf('\r\n', at)
  if (lineEnd < 0) return undefined
  const next = lineEnd + 2
  const type = String.fromCharCode(bytes[at] ?? 0)
  if (type !== '$' && type !== '*') return next
  const count = Number(bytes.toString('latin1', at + 1, lineEnd))
  if (count < 0) return next
  if (type === '$') return next + count + 2 <= bytes.length ? next + count + 2 : undefined
  let end: number | undefined = next
  for (let element = 0; element < count && end !== undefined; element++) end = replyEnd(bytes, end)
  return end
}
