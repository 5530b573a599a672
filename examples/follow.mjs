// Prints the messages of a topic as they arrive. After a lost connection it resumes at its cursor.
//   node examples/follow.mjs TOPIC [http://127.0.0.1:7070] [earliest | latest | CURSOR]
// Node 22 or newer has WebSocket, so there is nothing to install.
const [topic = 'orders', gateway = 'http://127.0.0.1:7070', after = 'latest'] = process.argv.slice(2)

let cursor = after
let retryMs = 1000

function connect() {
  const socket = new WebSocket(`${gateway.replace(/^http/, 'ws')}/v1/stream`)
  socket.onopen = () => socket.send(JSON.stringify({ type: 'subscribe', topics: [topic], after: cursor }))
  socket.onmessage = ({ data }) => take(JSON.parse(data), socket)
  socket.onclose = ({ code, reason }) => {
    // Reconnecting does not help with these codes (docs/stream-protocol.md).
    if (code === 1009 || code >= 4500) fail(`closed with ${code}: ${reason}`)
    process.stderr.write(`connection lost: ${code} ${reason}\n`)
    setTimeout(connect, retryMs)
  }
}

function take(frame, socket) {
  if (frame.type === 'message') process.stdout.write(`${frame.message.data}\n`)
  if (frame.type === 'gap') process.stderr.write(`${frame.reason}: from ${frame.from} to ${frame.to}\n`)
  if (frame.type === 'closing') retryMs = frame.retryAfterMs
  if (frame.type === 'error' && !frame.retryable) fail(`${frame.code}: ${frame.detail}`)
  if (frame.type === 'error') socket.close()
  // Where to resume. The cursor of `welcome` belongs to the whole log, not to this subscription.
  if (frame.type !== 'welcome') cursor = frame.message?.cursor ?? frame.to ?? frame.cursor ?? cursor
}

function fail(reason) {
  process.stderr.write(`${reason}\n`)
  process.exit(1)
}

connect()
