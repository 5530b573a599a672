/** A text frame of a client, with a mask of zeros and less than 126 bytes (RFC 6455 §5.2). */
export function clientFrame(text: string): Buffer {
  const bytes = Buffer.from(text)
  if (bytes.length > 125) throw new Error('the text needs a longer header')
  return Buffer.concat([Buffer.from([0x81, 0x80 | bytes.length, 0, 0, 0, 0]), bytes])
}
