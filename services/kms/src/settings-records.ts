import type { KeySettings } from '@coffer/contracts'
import { type KmsRecordChange, kmsError, type RemovableRecords } from '@coffer/kms'
import { readableRecords } from './readable-pages.ts'

const PREFIX = 'settings/'
const FORMAT = 1
const PAGE = 500
const NONE: KeySettings = { description: '', tags: [], automaticVersions: [] }

/** The settings of keys in the store: one record for each key that has any, by `connector/key`. */
export class SettingsRecords {
  readonly #records: RemovableRecords

  constructor(records: RemovableRecords) {
    this.#records = records
  }

  /** Revision 0: there is no record yet. */
  async find(name: string): Promise<{ settings: KeySettings; revision: number }> {
    const record = await this.#records.find(PREFIX + name)
    return record ? { settings: decode(record.value), revision: record.revision } : { settings: NONE, revision: 0 }
  }

  /** META_RECORD_CHANGED. */
  put(name: string, settings: KeySettings, expectedRevision: number): Promise<void> {
    return this.#records.put(PREFIX + name, encode(settings), expectedRevision)
  }

  async *all(): AsyncGenerator<{ name: string; settings: KeySettings }> {
    for (let afterId = ''; ; ) {
      const page = await this.#records.list({ prefix: PREFIX, afterId, limit: PAGE })
      for (const { id, value } of page) yield { name: id.slice(PREFIX.length), settings: decode(value) }
      const last = page.at(-1)
      if (last === undefined || page.length < PAGE) return
      afterId = last.id
    }
  }

  /** Those that open. */
  async *allReadable(): AsyncGenerator<{ name: string; settings: KeySettings }> {
    for await (const { id, value } of readableRecords(this.#records, PREFIX)) {
      yield { name: id.slice(PREFIX.length), settings: decode(value) }
    }
  }
}

/** As part of a larger write; without settings: they go away. */
export function settingsChange(name: string, settings?: KeySettings, expectedRevision?: number): KmsRecordChange {
  return {
    id: PREFIX + name,
    ...(settings !== undefined && { value: encode(settings) }),
    ...(expectedRevision !== undefined && { expectedRevision }),
  }
}

function encode(settings: KeySettings): Uint8Array {
  return Buffer.from(JSON.stringify({ format: FORMAT, ...settings }))
}

function decode(value: Uint8Array): KeySettings {
  const { format, ...settings } = JSON.parse(Buffer.from(value).toString())
  if (format !== FORMAT) throw kmsError('KMS_RECORD_DAMAGED', { format })
  return settings
}
