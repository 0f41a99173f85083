import type { MetadataService } from '@coffer/contracts'
import { REPORTS_TABLE } from './reports.ts'

/** What was dropped of a target's dead letters, ever. */
export interface DroppedEvents {
  readonly count: number
  readonly lastAt: number
}

function recordId(target: string): string {
  return `dropped/${target}`
}

export async function findDropped(metadata: MetadataService, target: string): Promise<DroppedEvents | undefined> {
  const record = await metadata.findRecord(REPORTS_TABLE, recordId(target))
  return record && (JSON.parse(Buffer.from(record.value).toString()) as DroppedEvents)
}

export async function addDropped(metadata: MetadataService, target: string, count: number): Promise<void> {
  const before = (await findDropped(metadata, target))?.count ?? 0
  const dropped: DroppedEvents = { count: before + count, lastAt: Date.now() }
  await metadata.putRecord(REPORTS_TABLE, recordId(target), Buffer.from(JSON.stringify(dropped)))
}
