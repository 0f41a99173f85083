import type { VersionRecord } from './records.ts'

const kept = new WeakSet<VersionRecord>()

/** By a store in this process. */
export function keepRecord(record: VersionRecord): void {
  kept.add(record)
}

/**
 * Whether the store will give this very record, not only one like it, to whoever asks again while it has not changed: what it takes to
 * open it is worth keeping with it.
 */
export function isKept(record: VersionRecord): boolean {
  return kept.has(record)
}
