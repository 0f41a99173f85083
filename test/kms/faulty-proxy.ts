import { createServer, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { answerWith, type Misbehaviour } from './cloud-double.ts'

/** Stands before a real service, and passes everything on until it is told to misbehave. */
export class FaultyProxy {
  readonly #server: Server
  misbehave: (() => Misbehaviour | undefined) | undefined

  private constructor(target: string) {
    this.#server = createServer(async (request, response) => {
      const body = await bodyOf(request)
      answerWith(response, this.misbehave?.() ?? (await passedOn(target, request, body)))
    })
  }

  static async before(target: string): Promise<FaultyProxy> {
    const proxy = new FaultyProxy(target)
    await new Promise<void>((resolve) => proxy.#server.listen(0, '127.0.0.1', resolve))
    return proxy
  }

  get address(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  stop(): void {
    this.#server.closeAllConnections()
    this.#server.close()
  }
}

async function passedOn(target: string, { url, method, headers }: IncomingMessage, body: Buffer) {
  const named = Object.entries(headers).filter(
    ([name, value]) =>
      typeof value === 'string' && !['host', 'connection', 'content-length', 'transfer-encoding'].includes(name),
  )
  const answer = await fetch(`${target}${url}`, {
    method: method ?? 'GET',
    headers: named as [string, string][],
    ...(body.length > 0 && { body: new Uint8Array(body) }),
  })
  return { status: answer.status, text: await answer.text() }
}

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}
