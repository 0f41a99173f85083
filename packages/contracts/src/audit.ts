import type { ChainHead, SignedCheckpoint } from '@coffer/audit'

/** The key of the audit trail, which never leaves the KMS service: it signs how far a writer's chain has come. */
export interface AuditSigning {
  /** Signs, and keeps the head as the least that the trail has to hold. AUDIT_HEAD_REFUSED: that chain has come further. */
  signAuditHead(head: ChainHead): Promise<SignedCheckpoint>
  /** PEM, SPKI. */
  auditPublicKey(): Promise<string>
  /** The last head of each chain that was ever signed, in the order of their names, strictly after `afterChain`. */
  listAuditHeads(query: { afterChain: string; limit: number }): Promise<readonly ChainHead[]>
}
