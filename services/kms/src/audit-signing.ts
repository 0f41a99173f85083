import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import { auditError, auditKeyIdOf, type ChainHead, checkpointText } from '@coffer/audit'
import type { AuditSigning } from '@coffer/contracts'
import { isCofferError } from '@coffer/errors'
import { type RemovableRecords, untilUnchanged } from '@coffer/kms'

/** Both are sealed under the domain key, as all records of this prefix are. */
const KEY_RECORD = 'audit/signing-key'
const HEADS = 'audit/head/'
const CHAIN = /^[0-9a-f]{16}$/
const HASH = /^[0-9a-f]{64}$/

/** The signing key of the audit trail: made when it is first needed, kept sealed beside the settings of keys. */
export function createAuditSigning(records: RemovableRecords): AuditSigning {
  let known: Promise<KeyObject> | undefined
  const privateKey = (): Promise<KeyObject> => {
    known ??= findOrMakeKey(records).catch((error: unknown) => {
      known = undefined
      throw error
    })
    return known
  }
  return {
    async signAuditHead(head) {
      assertHead(head)
      const key = await privateKey()
      await keepHead(records, head)
      const isEd25519 = key.asymmetricKeyType === 'ed25519'
      return {
        upTo: { chain: head.chain, seq: head.seq, hash: head.hash },
        algorithm: isEd25519 ? 'Ed25519' : 'ECDSA-P256-SHA256',
        keyId: auditKeyIdOf(createPublicKey(key)),
        signature: sign(isEd25519 ? null : 'sha256', checkpointText(head), key).toString('base64'),
      }
    },
    async auditPublicKey() {
      return createPublicKey(await privateKey())
        .export({ type: 'spki', format: 'pem' })
        .toString()
    },
    async listAuditHeads({ afterChain, limit }) {
      const found = await records.list({ prefix: HEADS, afterId: afterChain && HEADS + afterChain, limit })
      return found.map(({ value }) => decodeHead(value))
    },
  }
}

async function findOrMakeKey(records: RemovableRecords): Promise<KeyObject> {
  const record = await records.find(KEY_RECORD)
  if (record !== undefined) return createPrivateKey({ key: Buffer.from(record.value), format: 'der', type: 'pkcs8' })
  const { privateKey } = newKeyPair()
  const der = privateKey.export({ format: 'der', type: 'pkcs8' })
  try {
    await records.put(KEY_RECORD, der, 0)
    return privateKey
  } catch (error) {
    // Another process was as far at the same time: its key is the one.
    if (isCofferError(error, 'META_RECORD_CHANGED')) return await findOrMakeKey(records)
    throw error
  } finally {
    der.fill(0)
  }
}

/** Ed25519 (FIPS 186-5, section 7); P-256 where a FIPS provider of before that standard has it not. */
function newKeyPair(): { readonly privateKey: KeyObject } {
  try {
    return generateKeyPairSync('ed25519')
  } catch {
    return generateKeyPairSync('ec', { namedCurve: 'P-256' })
  }
}

/** A chain never goes back: whoever could have an older place of it signed could cut off what came after. */
async function keepHead(records: RemovableRecords, head: ChainHead): Promise<void> {
  const id = HEADS + head.chain
  await untilUnchanged(id, async () => {
    const record = await records.find(id)
    const kept = record && decodeHead(record.value)
    if (kept !== undefined && (kept.seq > head.seq || (kept.seq === head.seq && kept.hash !== head.hash))) {
      throw auditError('AUDIT_HEAD_REFUSED', { chain: head.chain, seq: head.seq, keptSeq: kept.seq })
    }
    if (kept?.seq === head.seq) return
    await records.put(id, Buffer.from(JSON.stringify(head)), record?.revision ?? 0)
  })
}

function decodeHead(value: Uint8Array): ChainHead {
  return JSON.parse(Buffer.from(value).toString()) as ChainHead
}

function assertHead({ chain, seq, hash }: ChainHead): void {
  if (CHAIN.test(chain) && Number.isSafeInteger(seq) && seq > 0 && HASH.test(hash)) return
  throw auditError('AUDIT_HEAD_REFUSED', { seq })
}
