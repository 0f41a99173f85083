import type { Secret } from '@coffer/crypto-core'

export const OPERATIONS = ['put', 'get', 'list', 'delete'] as const
export type LoadOperation = (typeof OPERATIONS)[number]

/** `none`: no encryption header (the server's default); `s3`: SSE-S3; `c`: SSE-C with a random key. */
export const SSE_MODES = ['none', 's3', 'c'] as const
export type SseMode = (typeof SSE_MODES)[number]

/** An S3 endpoint under load, and who signs the requests. */
export interface LoadEndpoint {
  /** `http://host:port` or `https://host:port`. */
  readonly url: string
  readonly accessKeyId: string
  readonly secretAccessKey: Secret
  readonly region: string
  /** Certificates to check the server's against, PEM; absent: the system's list. */
  readonly caPem?: string
  /** Don't check the server's certificate. */
  readonly insecure?: boolean
}

export interface LoadOptions {
  /** With more than one, each operation is run against them in turn, a short slice each. */
  readonly endpoints: readonly LoadEndpoint[]
  readonly operations: readonly LoadOperation[]
  readonly sizesBytes: readonly number[]
  /** Connections at once; absent: 32 up to 64 KiB, 16 up to 4 MiB, 8 for larger objects. */
  readonly connections?: number
  /** For each operation, size and endpoint. */
  readonly durationMs: number
  /** Load of the same kind before anything is measured, on each endpoint; a delete has none. Absent: none. */
  readonly warmUpMs?: number
  /** Length of a turn when there are several endpoints. */
  readonly sliceMs: number
  readonly sse: SseMode
  /** Different object names for each size; absent: as many as make 512 MiB, 16 to 10,000. */
  readonly objectCount?: number
  /** A bucket to use and leave in place; absent: one is made, and removed at the end. */
  readonly bucket?: string
  readonly onProgress?: (progress: LoadProgress) => void
  /** A number that grows while an endpoint works (processor time, say): see `LoadResult.counted`. It may wait for what a turn has set going. */
  readonly counterOf?: (endpoint: LoadEndpoint) => number | Promise<number>
}

export interface LoadProgress {
  readonly operation: LoadOperation
  readonly sizeBytes: number
  /** Of the whole run, 0 to 1. */
  readonly fraction: number
}

/** What was measured for one operation, size and endpoint. */
export interface LoadResult {
  readonly endpoint: string
  readonly operation: LoadOperation
  readonly sizeBytes: number
  readonly connections: number
  readonly operationCount: number
  readonly errorCount: number
  /** How often each failure was seen: `503`, `ECONNRESET`... */
  readonly errors: Readonly<Record<string, number>>
  readonly elapsedSeconds: number
  readonly operationsPerSecond: number
  /** Object bytes (put, get); 0 for the others. */
  readonly mebibytesPerSecond: number
  /** Names listed; 0 for the others. */
  readonly namesPerSecond: number
  readonly p50Ms: number
  readonly p90Ms: number
  readonly p99Ms: number
  /** How much the counter grew in the turns that were measured, so without what is put before and deleted after them. */
  readonly counted?: number
}

/** The first endpoint's rate over another's, in the same operation and size; the range is over pairs of slices. */
export interface LoadRatio {
  readonly operation: LoadOperation
  readonly sizeBytes: number
  readonly endpoint: string
  readonly against: string
  readonly ratio: number
  readonly lowest: number
  readonly highest: number
}

export interface LoadReport {
  readonly results: readonly LoadResult[]
  readonly ratios: readonly LoadRatio[]
}

const MEBIBYTE = 1_048_576

export function connectionsFor(sizeBytes: number, options: Pick<LoadOptions, 'connections'>): number {
  if (options.connections !== undefined) return options.connections
  if (sizeBytes <= 65_536) return 32
  return sizeBytes <= 4 * MEBIBYTE ? 16 : 8
}

export function objectCountFor(sizeBytes: number, options: Pick<LoadOptions, 'objectCount'>): number {
  const fitting = Math.floor((512 * MEBIBYTE) / Math.max(1, sizeBytes))
  return options.objectCount ?? Math.min(10_000, Math.max(16, fitting))
}
