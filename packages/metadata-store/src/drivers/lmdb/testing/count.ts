import { isCofferError } from '@coffer/errors'
import type { MetadataStore } from '../../../metadata-store.ts'

/** Adds one to the record `counter`, `rounds` times, each a compare-and-set that is tried until it succeeds. */
export async function count(store: MetadataStore, rounds: number): Promise<void> {
  for (let done = 0; done < rounds; ) {
    const revision = (await store.findRecord('iam', 'counter'))?.revision ?? 0
    try {
      await store.putRecord('iam', 'counter', new Uint8Array([1]), revision)
      done += 1
    } catch (error) {
      if (!isCofferError(error, 'META_RECORD_CHANGED')) throw error
    }
  }
}
