import type { KmsService } from '@coffer/contracts'
import { isCofferError } from '@coffer/errors'

/** The master key of SSE-S3 and of buckets' metadata keys, in the default KMS. */
export const SERVICE_KEY_ID = 'coffer'

/** How long the newest version's number is relied on: the longest that new bucket keys may lag behind a rotation. */
const VERSION_LEASE_MS = 2000

/** Which version of the service's master key is the newest. Makes the key at its first use. */
export class MasterKeyVersion {
  readonly #kms: KmsService
  readonly #now: () => number
  #version = 0
  #untilMs = 0
  #asking: Promise<number> | undefined

  constructor(kms: KmsService, now: () => number) {
    this.#kms = kms
    this.#now = now
  }

  current(): number | Promise<number> {
    if (this.#untilMs > this.#now()) return this.#version
    this.#asking ??= this.#ask().finally(() => {
      this.#asking = undefined
    })
    return this.#asking
  }

  /** The next answer is asked for anew. */
  forget(): void {
    this.#untilMs = 0
  }

  async #ask(): Promise<number> {
    const { currentVersion } = await describeOrCreate(this.#kms)
    this.#version = currentVersion
    this.#untilMs = this.#now() + VERSION_LEASE_MS
    return currentVersion
  }
}

async function describeOrCreate(kms: KmsService) {
  try {
    return await kms.describeKey(SERVICE_KEY_ID)
  } catch (error) {
    if (!isCofferError(error, 'KMS_KEY_NOT_FOUND')) throw error
  }
  await kms.createKey(SERVICE_KEY_ID).catch((error: unknown) => {
    if (!isCofferError(error, 'KMS_KEY_EXISTS')) throw error
  })
  return kms.describeKey(SERVICE_KEY_ID)
}
