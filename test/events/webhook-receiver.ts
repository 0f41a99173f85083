import { createHmac } from 'node:crypto'
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface ReceivedHook {
  readonly id: string
  readonly body: string
  readonly isGenuine: boolean
  /** W3C Trace Context of the delivery. */
  readonly traceparent: string | undefined
}

/** A receiver of webhooks that checks the signature as Standard Webhooks has it. */
export class WebhookReceiver {
  readonly received: ReceivedHook[] = []
  /** What it answers; 204 unless a test says otherwise. */
  answer: (body: string) => number = () => 204
  readonly #secret: string
  #server: Server | undefined
  #port = 0

  constructor(secret: string) {
    this.#secret = secret
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}/hook`
  }

  async start(): Promise<void> {
    const server = createServer((request, response) => {
      const chunks: Buffer[] = []
      request.on('data', (chunk: Buffer) => chunks.push(chunk))
      request.on('end', () => {
        const body = Buffer.concat(chunks).toString()
        const status = this.answer(body)
        if (status < 300) this.received.push(this.#read(request.headers, body))
        response.writeHead(status).end()
      })
    })
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(this.#port, '127.0.0.1', resolve)
    })
    this.#port = (server.address() as AddressInfo).port
    this.#server = server
  }

  async stop(): Promise<void> {
    const closed = new Promise((resolve) => this.#server?.close(resolve))
    this.#server?.closeAllConnections()
    await closed
  }

  #read(headers: IncomingHttpHeaders, body: string): ReceivedHook {
    const [id, timestamp] = [String(headers['webhook-id']), String(headers['webhook-timestamp'])]
    const expected = createHmac('sha256', this.#secret).update(`${id}.${timestamp}.${body}`).digest('base64')
    const traceparent = headers.traceparent === undefined ? undefined : String(headers.traceparent)
    return { id, body, isGenuine: headers['webhook-signature'] === `v1,${expected}`, traceparent }
  }
}
