import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'

/** A server that answers nothing but 403, and keeps which traces it was told of. */
export class RefusingServer {
  readonly traceparents: string[] = []
  readonly #server: Server = createServer((request, response) => {
    if (request.headers.traceparent !== undefined) this.traceparents.push(String(request.headers.traceparent))
    request.resume().once('end', () => response.writeHead(403).end())
  })

  async start(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve))
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  async stop(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve))
    this.#server.closeAllConnections()
    await closed
  }
}
