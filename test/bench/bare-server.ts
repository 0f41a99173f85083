import cluster from 'node:cluster'
import { once } from 'node:events'
import { createServer } from 'node:http'

/** node:http and nothing else: takes a body and answers, or answers with one. Arguments: port, processes, body bytes. */
const [port, processCount, bodyBytes] = process.argv.slice(2).map(Number)
if (cluster.isPrimary) {
  for (let index = 0; index < (processCount ?? 1); index++) {
    await once(cluster.fork(), 'listening')
  }
  process.stdout.write('ready\n')
  process.on('SIGTERM', () => process.exit(0))
} else {
  const body = Buffer.alloc(bodyBytes ?? 0)
  const server = createServer((request, response) => {
    request.on('data', () => undefined)
    request.on('end', () => {
      const isRead = request.method === 'GET'
      response.writeHead(200, { 'content-length': isRead ? body.length : 0, etag: '"0"' })
      response.end(isRead ? body : '')
    })
    request.resume()
  })
  server.listen(port, '127.0.0.1')
}
