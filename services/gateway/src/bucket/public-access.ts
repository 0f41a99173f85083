import type { IamService } from '@coffer/contracts'
import type { PublicAccessBlock } from '@coffer/s3-protocol'
import type { OpenBucket } from './bucket-cache.ts'

/**
 * Whether a bucket refuses this of public access: what it says itself or what its account says of all its buckets (S3 User Guide, "Blocking
 * public access": the most restrictive of both).
 */
export function isBlocked(
  { config, accountBlock }: Pick<OpenBucket, 'config' | 'accountBlock'>,
  setting: keyof PublicAccessBlock,
): boolean {
  return config.publicAccessBlock?.[setting] === true || accountBlock?.[setting] === true
}

/** The accounts' own blocks, asked for again when their lease is over (at once where the identities are in this process). */
export class AccountBlocks {
  readonly #iam: IamService
  readonly #leaseMs: number
  readonly #leases = new Map<string, { readonly block: PublicAccessBlock | undefined; readonly untilMs: number }>()

  constructor(iam: IamService, leaseMs: number) {
    this.#iam = iam
    this.#leaseMs = leaseMs
  }

  async find(accountId: string): Promise<PublicAccessBlock | undefined> {
    const known = this.#leases.get(accountId)
    if (known !== undefined && known.untilMs > performance.now()) return known.block
    const block = await this.#iam.findPublicAccessBlock(accountId)
    if (this.#leaseMs > 0) this.#leases.set(accountId, { block, untilMs: performance.now() + this.#leaseMs })
    return block
  }

  /** After a change of this gateway's own. */
  expire(accountId: string): void {
    this.#leases.delete(accountId)
  }
}
