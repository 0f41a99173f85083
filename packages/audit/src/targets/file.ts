import { type FileHandle, mkdir, open } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { type AuditTarget, defineAuditTarget } from '../audit-target.ts'
import { auditError } from '../errors.ts'

const FileOptions = z.strictObject({
  /** Default: `audit` in the data directory. */
  directory: z.string().min(1).optional(),
  /** The next file begins when one has come to this size. */
  fileSizeBytesMax: z
    .number()
    .int()
    .min(4096)
    .max(2 ** 40)
    .default(128 * 1024 * 1024),
  /** How often what was written is brought to stable storage; 0: with each batch. */
  syncIntervalMs: z.number().int().min(0).max(60_000).default(1_000),
})

type FileOptions = z.infer<typeof FileOptions>

/**
 * Lines of JSON in files of this process's own, `<start>-<chain>-<number>.jsonl`, which nobody else may read. They are only ever
 * appended to, and never removed: moving them elsewhere is the operator's.
 */
export const fileTarget = defineAuditTarget({
  name: 'file',
  options: FileOptions,
  async open(options, context) {
    const directory = options.directory ?? context.directory
    await mkdir(directory, { recursive: true, mode: 0o700 })
    const startedAt = new Date().toISOString().replaceAll(/[-:]|\.\d{3}/g, '')
    const target = new FileTarget(join(directory, `${startedAt}-${context.chain}`), options)
    await target.begin()
    return target
  },
})

class FileTarget implements AuditTarget {
  readonly #path: string
  readonly #options: FileOptions
  #file: FileHandle | undefined
  #number = 0
  #sizeBytes = 0
  #syncTimer: NodeJS.Timeout | undefined

  constructor(path: string, options: FileOptions) {
    this.#path = path
    this.#options = options
  }

  async begin(): Promise<void> {
    const path = `${this.#path}-${String(this.#number + 1).padStart(4, '0')}.jsonl`
    this.#file = await open(path, 'ax', 0o600).catch((cause: unknown) => {
      throw auditError('AUDIT_TARGET_UNAVAILABLE', { path }, { cause })
    })
    this.#number += 1
    this.#sizeBytes = 0
  }

  async write(lines: readonly string[]): Promise<void> {
    if (this.#file === undefined || this.#sizeBytes >= this.#options.fileSizeBytesMax) await this.#turnOver()
    const file = this.#file as FileHandle
    const bytes = Buffer.from(`${lines.join('\n')}\n`)
    try {
      await file.appendFile(bytes)
    } catch (cause) {
      // A full disk may have taken half a line: the batch comes again as a whole.
      await file.truncate(this.#sizeBytes).catch(() => undefined)
      throw auditError('AUDIT_TARGET_UNAVAILABLE', { path: this.#path }, { cause })
    }
    this.#sizeBytes += bytes.length
    if (this.#options.syncIntervalMs === 0) await file.datasync()
    else this.#syncTimer ??= setTimeout(() => void this.#sync(file), this.#options.syncIntervalMs)
  }

  async close(): Promise<void> {
    clearTimeout(this.#syncTimer)
    await this.#end()
  }

  async #turnOver(): Promise<void> {
    await this.#end()
    await this.begin()
  }

  async #end(): Promise<void> {
    const file = this.#file
    this.#file = undefined
    if (file === undefined) return
    await file.datasync()
    await file.close()
  }

  /** What fails here fails again at the next write, and is told of there. */
  async #sync(file: FileHandle): Promise<void> {
    this.#syncTimer = undefined
    if (file === this.#file) await file.datasync().catch(() => undefined)
  }
}
