import type { RewrapBatchWorker } from '@coffer/service-rotation'
import type { JobStart } from './job-messages.ts'

/** What a helper of the job process is told by it, over the channel between them: never by arguments or environment. */
export type RewrapHelperMessage =
  | ({ readonly kind: 'start' } & Omit<JobStart, 'writerId'>)
  | { readonly kind: 'batch'; readonly id: number; readonly batch: Parameters<RewrapBatchWorker>[0] }

/** What it answers. */
export type RewrapHelperAnswer =
  | { readonly kind: 'ready' }
  | { readonly kind: 'done'; readonly id: number; readonly outcomes: Awaited<ReturnType<RewrapBatchWorker>> }
  /** The whole batch, with a code of the catalogue: the caller waits, or counts it as failed. */
  | { readonly kind: 'failed'; readonly id: number; readonly code: string; readonly message: string }
