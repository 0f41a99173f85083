import { generateKeyPairSync, sign } from 'node:crypto'
import { auditKeyIdOf, checkpointText } from '../checkpoint.ts'
import type { ChainHead, RequestFacts, SignedCheckpoint } from '../record.ts'

export function recordOf(facts: Partial<RequestFacts> = {}): RequestFacts {
  return {
    time: '2026-11-28T00:00:00.000Z',
    requestId: '0123456789ABCDEF0123',
    service: 's3',
    operation: 'GetObject',
    principal: { kind: 'account-root', accountId: '111122223333', accessKeyId: 'AKTEST', verified: true },
    source: { address: '127.0.0.1', tls: 'TLSv1.3', cipher: 'TLS_AES_256_GCM_SHA384' },
    bucket: 'papers',
    key: 'a',
    decision: { action: 's3:GetObject', effect: 'allow', reason: 'own-bucket' },
    status: 200,
    bytesOut: 1,
    latencyMs: 1.5,
    ...facts,
  }
}

/** A key pair of its own, and the heads that it has signed. */
export function testSigner(): {
  readonly publicKey: string
  readonly heads: Map<string, ChainHead>
  readonly sign: (head: ChainHead) => Promise<SignedCheckpoint>
} {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519')
  const heads = new Map<string, ChainHead>()
  return {
    publicKey: publicKey.export({ type: 'spki', format: 'pem' }).toString(),
    heads,
    async sign(head) {
      heads.set(head.chain, head)
      const signature = sign(null, checkpointText(head), privateKey).toString('base64')
      return { upTo: head, algorithm: 'Ed25519', keyId: auditKeyIdOf(publicKey), signature }
    },
  }
}
