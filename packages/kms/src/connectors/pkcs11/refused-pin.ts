import { stat } from 'node:fs/promises'
import { isCofferError } from '@coffer/errors'
import type { KmsRecords } from '../../kms-connector.ts'

/**
 * Which PIN file a token has refused, for all processes of Coffer: a token locks itself after a few wrong PINs, and each
 * process would try. Of the file only inode, size and times are kept, which say nothing of the PIN.
 */
export class RefusedPin {
  readonly #records: KmsRecords
  readonly #id: string
  readonly #pinFile: string | undefined

  constructor(records: KmsRecords, tokenLabel: string, pinFile: string | undefined) {
    this.#records = records
    this.#id = `refused-pin/${tokenLabel}`
    this.#pinFile = pinFile
  }

  /** The file as it is now; undefined where the PIN comes from a command. */
  async version(): Promise<string | undefined> {
    if (this.#pinFile === undefined) return undefined
    const found = await stat(this.#pinFile, { bigint: true }).catch(() => undefined)
    return found && [found.ino, found.size, found.mtimeNs, found.ctimeNs].join(':')
  }

  async isRefused(version: string | undefined): Promise<boolean> {
    if (version === undefined) return false
    const record = await this.#records.find(this.#id)
    return record !== undefined && Buffer.from(record.value).toString() === version
  }

  async remember(version: string | undefined): Promise<void> {
    if (version === undefined) return
    const record = await this.#records.find(this.#id)
    await this.#records.put(this.#id, Buffer.from(version), record?.revision ?? 0).catch((error: unknown) => {
      // Another process was told the same.
      if (!isCofferError(error, 'META_RECORD_CHANGED')) throw error
    })
  }
}
