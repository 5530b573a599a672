// Serves requests of any peer to a service of this gateway: answers with the data in capitals.
//   node examples/serve.mjs [SERVICE] [http://127.0.0.1:7070]
// Request: curl http://127.0.0.1:7070/v1/peers/PEER-ID/requests/capitals -H 'content-type: application/json' -d '{"data": "hello"}'
// Node 22 or newer has WebSocket, so there is nothing to install.
const [service = 'capitals', gateway = 'http://127.0.0.1:7070'] = process.argv.slice(2)

function connect() {
  const socket = new WebSocket(`${gateway.replace(/^http/, 'ws')}/v1/stream`)
  const send = (frame) => socket.send(JSON.stringify(frame))
  socket.onopen = () => send({ type: 'serve', service, concurrency: 4 })
  socket.onmessage = ({ data }) => {
    const frame = JSON.parse(data)
    if (frame.type === 'serving') process.stdout.write(`serving ${frame.service}\n`)
    if (frame.type === 'request') send({ type: 'reply', requestId: frame.requestId, ...answer(frame) })
    // A late reply is refused: its request is closed.
    if (frame.type === 'error') process.stderr.write(`${frame.code}: ${frame.detail}\n`)
  }
  socket.onclose = ({ code }) => {
    if (code >= 4500 || code === 1009) process.exit(1)
    setTimeout(connect, 1000)
  }
}

function answer({ data, encoding }) {
  return encoding === 'utf8' ? { data: data.toUpperCase() } : { error: 'only text has capitals' }
}

connect()
