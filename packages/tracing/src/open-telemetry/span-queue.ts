import { BatchSpanProcessor, type ReadableSpan, type SpanExporter, type SpanProcessor } from '@opentelemetry/sdk-trace'

/** Spans that wait or are on their way: a few MB. Further ones are left out and counted; nobody waits for a collector. */
export const WAITING_SPANS_MAX = 4096
const BATCH_SPANS_MAX = 512
const EXPORT_INTERVAL_MS = 1_000
/** The exporter gives up before. */
const EXPORT_TIMEOUT_MS = 15_000

/** `code` 0: the collector has taken them (`ExportResult` of the SDK). */
type SettledExport = Parameters<Parameters<SpanExporter['export']>[1]>[0]
export const TAKEN = 0

export interface SpanFigures {
  readonly exportedCount: number
  /** Left out because too many waited, or not taken by the collector. */
  readonly lostCount: number
}

/** Told when the collector takes nothing (`reason`: a code, never a text of its own), and when it does again. */
export type CollectorListener = (change: { readonly isAway: boolean; readonly reason?: string }) => void

/** Keeps ended spans until the collector has taken them, so many at most. */
export class SpanQueue implements SpanProcessor {
  readonly #batches: BatchSpanProcessor
  readonly #onChange: CollectorListener
  #waitingCount = 0
  #exportedCount = 0
  #lostCount = 0
  #isAway = false

  constructor(exporter: SpanExporter, onChange: CollectorListener) {
    this.#onChange = onChange
    this.#batches = new BatchSpanProcessor({
      exporter: {
        export: (spans, settled) =>
          exporter.export(spans, (result) => {
            this.#settle(spans.length, result)
            settled(result)
          }),
        shutdown: () => exporter.shutdown(),
      },
      maxQueueSize: WAITING_SPANS_MAX,
      maxExportBatchSize: BATCH_SPANS_MAX,
      scheduledDelayMillis: EXPORT_INTERVAL_MS,
      exportTimeoutMillis: EXPORT_TIMEOUT_MS,
    })
  }

  get figures(): SpanFigures {
    return { exportedCount: this.#exportedCount, lostCount: this.#lostCount }
  }

  /** Nothing was taken at the last try. */
  get isAway(): boolean {
    return this.#isAway
  }

  onStart(): void {}

  onEnd(span: ReadableSpan): void {
    if (this.#waitingCount >= WAITING_SPANS_MAX) {
      this.#lostCount += 1
      return
    }
    this.#waitingCount += 1
    this.#batches.onEnd(span)
  }

  forceFlush(): Promise<void> {
    return this.#batches.forceFlush()
  }

  shutdown(): Promise<void> {
    return this.#batches.shutdown()
  }

  #settle(count: number, { code, error }: SettledExport): void {
    this.#waitingCount -= count
    const isAway = code !== TAKEN
    if (isAway) this.#lostCount += count
    else this.#exportedCount += count
    if (isAway === this.#isAway) return
    this.#isAway = isAway
    this.#onChange(isAway ? { isAway, reason: reasonOf(error) } : { isAway })
  }
}

/** `ECONNREFUSED`, `401`: what a collector answers may quote what it was sent. */
export function reasonOf(error: Error | undefined): string {
  const code: unknown = error && Reflect.get(error, 'code')
  return typeof code === 'string' || typeof code === 'number' ? String(code).slice(0, 64) : 'no answer'
}
