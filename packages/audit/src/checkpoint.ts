import { createHash, createPublicKey, type KeyObject, verify } from 'node:crypto'
import type { ChainHead, SignedCheckpoint } from './record.ts'

/** What is signed of a chain: a text of its own, which no other use of the key could be taken for. */
export function checkpointText({ chain, seq, hash }: ChainHead): Buffer {
  return Buffer.from(`coffer audit checkpoint v1\n${chain}\n${seq}\n${hash}\n`)
}

/** First 16 hex characters of the SHA-256 of a public key in SPKI, DER. */
export function auditKeyIdOf(publicKey: KeyObject): string {
  const der = publicKey.export({ type: 'spki', format: 'der' })
  return createHash('sha256').update(der).digest('hex').slice(0, 16)
}

/** Whether a checkpoint was signed by the key of this public key (PEM). */
export function isCheckpointGenuine(checkpoint: SignedCheckpoint, publicKeyPem: string): boolean {
  const key = createPublicKey(publicKeyPem)
  const { upTo, keyId, signature } = checkpoint
  if (keyId !== auditKeyIdOf(key)) return false
  // RFC 8032: Ed25519 hashes by itself.
  const digest = key.asymmetricKeyType === 'ed25519' ? null : 'sha256'
  return verify(digest, checkpointText(upTo), key, Buffer.from(signature, 'base64'))
}
