import { randomBytes } from 'node:crypto'
import { cofferError } from '../errors.ts'
import { LoadConnection, type LoadRequest } from './load-connection.ts'
import type { LoadEndpoint, LoadOperation, SseMode } from './load-options.ts'
import { RequestSigner, sseHeaders } from './request-signer.ts'

const PAGE_SIZE_NAMES = 1_000

/** The objects of one size that a load reads and writes. */
export interface ObjectSet {
  readonly sizeBytes: number
  readonly count: number
  readonly body: Buffer
}

export function newObjectSet(sizeBytes: number, count: number): ObjectSet {
  return { sizeBytes, count, body: randomBytes(sizeBytes) }
}

/** An endpoint with a bucket of its own under load: its connections, and the requests for each operation. */
export class Target {
  readonly endpoint: LoadEndpoint
  readonly #bucket: string
  readonly #ownsBucket: boolean
  readonly #signer: RequestSigner
  readonly #sse: ReturnType<typeof sseHeaders>
  readonly #idle: LoadConnection[] = []
  /** How many objects of each size are known to be there: names 0 to this. */
  readonly present = new Map<number, number>()

  constructor(endpoint: LoadEndpoint, options: { bucket?: string; sse: SseMode }) {
    this.endpoint = endpoint
    this.#bucket = options.bucket ?? `coffer-bench-${randomBytes(6).toString('hex')}`
    this.#ownsBucket = options.bucket === undefined
    this.#signer = new RequestSigner(endpoint)
    this.#sse = sseHeaders(options.sse)
  }

  connections(count: number): readonly LoadConnection[] {
    while (this.#idle.length < count) this.#idle.push(new LoadConnection(this.endpoint))
    return this.#idle.slice(0, count)
  }

  /** COFFER_BENCH_REFUSED: credentials, certificate, address... are wrong. */
  async prepare(): Promise<void> {
    if (this.#ownsBucket) await this.#ask('making a bucket', { method: 'PUT', path: `/${this.#bucket}` })
    else await this.#ask('listing', { method: 'GET', path: `/${this.#bucket}`, query: 'list-type=2&max-keys=1' })
  }

  /** Removes what the load has written, and the bucket if it was made for it. */
  async cleanUp(): Promise<void> {
    for (const [sizeBytes, count] of this.present) {
      let next = 0
      const removeRest = async (connection: LoadConnection): Promise<void> => {
        while (next < count) await connection.exchange(this.#signer.sign(this.#object('DELETE', sizeBytes, next++)))
      }
      await Promise.all(this.connections(16).map(removeRest))
    }
    if (this.#ownsBucket) await this.#ask('removing the bucket', { method: 'DELETE', path: `/${this.#bucket}` })
  }

  close(): void {
    for (const connection of this.#idle) connection.close()
  }

  /** The `index`th request of a load; indexes beyond the number of objects begin again. */
  request(operation: LoadOperation, objects: ObjectSet, index: number): LoadRequest {
    const { sizeBytes } = objects
    const available = operation === 'put' ? objects.count : Math.max(1, this.present.get(sizeBytes) ?? 0)
    if (operation === 'list') {
      const page = index % Math.max(1, Math.ceil(available / PAGE_SIZE_NAMES))
      return this.#signer.signed(`list ${sizeBytes} ${page}`, () => this.#page(sizeBytes, page))
    }
    const number = index % available
    return this.#signer.signed(`${operation} ${sizeBytes} ${number}`, () => {
      if (operation === 'get') return { ...this.#object('GET', sizeBytes, number), headers: this.#sse.read }
      if (operation === 'delete') return this.#object('DELETE', sizeBytes, number)
      return { ...this.#object('PUT', sizeBytes, number), headers: this.#sse.write, body: objects.body }
    })
  }

  /** Names on the page that the `index`th list request asks for. */
  namesOn(sizeBytes: number, index: number): number {
    const available = this.present.get(sizeBytes) ?? 0
    const page = index % Math.max(1, Math.ceil(available / PAGE_SIZE_NAMES))
    return Math.min(PAGE_SIZE_NAMES, available - page * PAGE_SIZE_NAMES)
  }

  #object(method: 'GET' | 'PUT' | 'DELETE', sizeBytes: number, number: number) {
    return { method, path: `/${this.#bucket}/${nameOf(sizeBytes, number)}` }
  }

  #page(sizeBytes: number, page: number) {
    const prefix = `prefix=${encodeURIComponent(`${sizeBytes}/`)}`
    const after = page === 0 ? '' : `&start-after=${encodeURIComponent(nameOf(sizeBytes, page * PAGE_SIZE_NAMES - 1))}`
    const query = `list-type=2&max-keys=${PAGE_SIZE_NAMES}&${prefix}${after}`
    return { method: 'GET', path: `/${this.#bucket}`, query } as const
  }

  async #ask(
    purpose: string,
    request: { method: 'GET' | 'PUT' | 'DELETE'; path: string; query?: string },
  ): Promise<void> {
    const [connection] = this.connections(1)
    const { url } = this.endpoint
    const response = await connection?.exchange(this.#signer.sign(request)).catch((cause: unknown) => {
      const reason = cause instanceof Error ? cause.message : String(cause)
      throw cofferError('COFFER_BENCH_REFUSED', `${url}: ${reason}`, { url }, { cause })
    })
    if (!response || response.status >= 300) {
      const code = /<Code>([^<]*)<\/Code>/.exec(response?.body ?? '')?.[1] ?? 'no S3 error code'
      throw cofferError('COFFER_BENCH_REFUSED', `${url}: ${purpose}: ${response?.status} ${code}`, { url })
    }
  }
}

function nameOf(sizeBytes: number, number: number): string {
  return `${sizeBytes}/${String(number).padStart(7, '0')}`
}
