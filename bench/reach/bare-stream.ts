import { connect, createServer } from 'node:net'

/** A bare TCP connection: `receive` says its rate in megabytes a second, `send <ip>` sends until all has been taken. */

const [role, ip] = process.argv.slice(2)
const port = 7080
const total = 512e6

function receive(): void {
  const server = createServer((socket) => {
    const begun = performance.now()
    let received = 0
    socket.on('error', () => undefined)
    socket.on('data', ({ length }) => {
      received += length
    })
    socket.on('end', () => {
      process.stdout.write(`${received / 1e3 / (performance.now() - begun)}\n`)
      server.close()
    })
  })
  server.listen(port, () => process.stdout.write('listening\n'))
}

function send(): void {
  const socket = connect({ host: ip ?? '', port })
  const block = Buffer.alloc(65_536)
  let left = total
  function write(): void {
    while (left > 0) {
      left -= block.length
      if (!socket.write(block)) return
    }
    socket.end()
  }
  socket.on('connect', write)
  socket.on('drain', write)
}

if (role === 'receive') receive()
else send()
