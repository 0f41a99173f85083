import cluster from 'node:cluster'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer, type RequestListener } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { join } from 'node:path'

/**
 * node:http, or node:https, and nothing else: takes a body and answers, or answers with one. Arguments: port, processes, body
 * bytes, and for TLS the directory of a certificate.
 */
const [port, processCount, bodyBytes] = process.argv.slice(2).map(Number)
const certificates = process.argv[5]
if (cluster.isPrimary) {
  for (let index = 0; index < (processCount ?? 1); index++) {
    await once(cluster.fork(), 'listening')
  }
  process.stdout.write('ready\n')
  process.on('SIGTERM', () => process.exit(0))
} else {
  const body = Buffer.alloc(bodyBytes ?? 0)
  const answer: RequestListener = (request, response) => {
    request.on('data', () => undefined)
    request.on('end', () => {
      const isRead = request.method === 'GET'
      response.writeHead(200, { 'content-length': isRead ? body.length : 0, etag: '"0"' })
      response.end(isRead ? body : '')
    })
    request.resume()
  }
  const server =
    certificates === undefined
      ? createServer(answer)
      : createTlsServer(
          {
            cert: readFileSync(join(certificates, 'public.crt')),
            key: readFileSync(join(certificates, 'private.key')),
          },
          answer,
        )
  server.listen(port, '127.0.0.1')
}
