import type { IncomingMessage, ServerResponse } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import type { MetadataService } from '@coffer/contracts'

/*
 * What load balancers ask that were set up for MinIO (MinIO's "Healthcheck API"): unsigned, on the S3 port, an empty answer with 200 or
 * 503. Of a bucket that is called `minio` these few names cannot be read without a signature.
 */
const LIVE = '/minio/health/live'
const READY: ReadonlySet<string> = new Set([
  '/minio/health/ready',
  '/minio/health/cluster',
  '/minio/health/cluster/read',
])
const CHECK_TIMEOUT_MS = 2_000
/** However often it is asked, the metadata service is asked no more than once in this time. */
const ANSWER_AGE_MS_MAX = 1_000
const RETRY_AFTER_SECONDS = '1'

export class MinioHealth {
  readonly #metadata: Pick<MetadataService, 'getKeyUse'>
  readonly #stopping: AbortSignal
  /** Base domains whose names before them are buckets: there these paths are keys. */
  readonly #domains: readonly string[]
  #last: { readonly atMs: number; readonly isReady: Promise<boolean> } | undefined

  constructor(
    metadata: Pick<MetadataService, 'getKeyUse'>,
    { stopping, domains }: { readonly stopping: AbortSignal; readonly domains: readonly string[] },
  ) {
    this.#metadata = metadata
    this.#stopping = stopping
    this.#domains = domains
  }

  isFor({ method, url = '', headers }: IncomingMessage): boolean {
    if (!url.startsWith('/minio/health/') || headers.authorization !== undefined) return false
    const path = pathOf(url)
    if ((method !== 'GET' && method !== 'HEAD') || (path !== LIVE && !READY.has(path))) return false
    const host = (headers.host ?? '').replace(/:\d+$/, '').toLowerCase()
    return !this.#domains.some((domain) => host.endsWith(`.${domain.toLowerCase()}`))
  }

  /** Never rejects. Nothing is told but whether it can work. */
  async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    request.resume()
    const isWell = pathOf(request.url ?? '') === LIVE || (await this.#isReady())
    const headers = { 'cache-control': 'no-store', 'content-length': 0, server: 'Coffer' }
    response.writeHead(isWell ? 200 : 503, isWell ? headers : { ...headers, 'retry-after': RETRY_AFTER_SECONDS }).end()
  }

  #isReady(): Promise<boolean> {
    if (this.#stopping.aborted) return Promise.resolve(false)
    const nowMs = performance.now()
    if (this.#last === undefined || nowMs - this.#last.atMs > ANSWER_AGE_MS_MAX) {
      this.#last = { atMs: nowMs, isReady: this.#ask() }
    }
    return this.#last.isReady
  }

  async #ask(): Promise<boolean> {
    const asked = this.#metadata.getKeyUse('health').then(
      () => true,
      () => false,
    )
    return await Promise.race([asked, sleep(CHECK_TIMEOUT_MS, false, { ref: false })])
  }
}

function pathOf(url: string): string {
  return url.split('?', 1)[0] ?? ''
}
