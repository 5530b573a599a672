import { createServer } from 'node:http'
import { tellPort } from './tell-port.ts'

/** The minimal POST server: it reads the body, parses it, and answers JSON with 201. `<the answer as JSON>` */

const answer: unknown = JSON.parse(process.argv[2] ?? '{}')

const server = createServer((request, response) => {
  const chunks: Buffer[] = []
  request.on('data', (chunk: Buffer) => chunks.push(chunk))
  request.on('end', () => {
    const body: unknown = JSON.parse(Buffer.concat(chunks).toString())
    const text = JSON.stringify(typeof Object(body).data === 'string' ? answer : {})
    response.writeHead(201, { 'content-type': 'application/json; charset=utf-8', 'content-length': Buffer.byteLength(text) })
    response.end(text)
  })
})
server.listen(0, '127.0.0.1', () => tellPort(server))
