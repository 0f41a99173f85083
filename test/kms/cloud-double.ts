import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import type { IncomingMessage, RequestListener, Server, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

/** What a double answers: JSON with a status, or (with `text`) anything else. */
export interface CloudAnswer {
  readonly status: number
  readonly body?: object
  readonly text?: string
}

/** 'nothing': no answer, ever. 'cut': the connection ends in the middle of one. */
export type Misbehaviour = CloudAnswer | 'nothing' | 'cut'

export interface CloudRequest {
  readonly method: string
  readonly path: string
  readonly query: URLSearchParams
  readonly authorization: string | undefined
  /** Of JSON; of a form its fields. */
  readonly body: Readonly<Record<string, unknown>>
}

/** What the doubles of the clouds' key services have in common: a server of JSON on loopback that can be made to misbehave. */
export class CloudServer {
  readonly #server: Server
  readonly #scheme: 'http' | 'https'
  /** Answers in place of the double where it returns something. */
  misbehave: ((request: CloudRequest) => Misbehaviour | undefined) | undefined

  constructor(
    scheme: 'http' | 'https',
    createServer: (listener: RequestListener) => Server,
    answer: (request: CloudRequest) => CloudAnswer,
  ) {
    this.#scheme = scheme
    this.#server = createServer(async (incoming, response) => {
      const request = await parsed(incoming)
      answerWith(response, this.misbehave?.(request) ?? answer(request))
    })
  }

  async listen(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve))
  }

  get address(): string {
    return `${this.#scheme}://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
  }
}

export function answerWith(response: ServerResponse, answered: Misbehaviour): void {
  if (answered === 'nothing') return
  const headers = { 'content-type': 'application/json', location: 'http://127.0.0.1:1/elsewhere' }
  if (answered === 'cut') {
    response.writeHead(200, { ...headers, 'content-length': 1000 }).write('{"key":', () => response.destroy())
    return
  }
  const { status, body, text } = answered
  response.writeHead(status, headers).end(text ?? (body ? JSON.stringify(body) : ''))
}

const NONCE_BYTES = 12
const TAG_BYTES = 16

export interface GcmParts {
  readonly iv: Buffer
  readonly tag: Buffer
  readonly data: Buffer
}

export function gcmSeal(key: Buffer, plaintext: Buffer, additionalData: Buffer): GcmParts {
  const iv = randomBytes(NONCE_BYTES)
  const cipher = createCipheriv('aes-256-gcm', key, iv).setAAD(additionalData)
  const data = Buffer.concat([cipher.update(plaintext), cipher.final()])
  return { iv, tag: cipher.getAuthTag(), data }
}

/** Undefined where it is not authentic. */
export function gcmOpen(key: Buffer, { iv, tag, data }: GcmParts, additionalData: Buffer): Buffer | undefined {
  if (iv.length !== NONCE_BYTES || tag.length !== TAG_BYTES) return undefined
  const decipher = createDecipheriv('aes-256-gcm', key, iv).setAAD(additionalData)
  decipher.setAuthTag(tag)
  try {
    return Buffer.concat([decipher.update(data), decipher.final()])
  } catch {
    return undefined
  }
}

async function parsed(incoming: IncomingMessage): Promise<CloudRequest> {
  const chunks: Buffer[] = []
  for await (const chunk of incoming) chunks.push(chunk as Buffer)
  const text = Buffer.concat(chunks).toString()
  const url = new URL(incoming.url ?? '/', 'http://double')
  const isForm = incoming.headers['content-type']?.startsWith('application/x-www-form-urlencoded') === true
  return {
    method: incoming.method ?? '',
    path: decodeURIComponent(url.pathname),
    query: url.searchParams,
    authorization: incoming.headers.authorization,
    body: isForm ? Object.fromEntries(new URLSearchParams(text)) : text === '' ? {} : JSON.parse(text),
  }
}
