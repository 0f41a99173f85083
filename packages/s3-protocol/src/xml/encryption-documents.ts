import { s3Error } from '../errors.ts'
import { isKmsAlgorithm, type KmsAlgorithm } from '../sse-kms.ts'
import { findBoolean, findChild, findText, knownChildren, parseXml, type XmlElement } from './parse-xml.ts'

/** What PutBucketEncryption sets. */
export interface BucketEncryption {
  readonly algorithm: 'AES256' | KmsAlgorithm
  /** Not with AES256; absent: the server's own master key. */
  readonly kmsKeyId?: string
  readonly bucketKeyEnabled: boolean
  /** Writes that are refused (S3 API, BlockedEncryptionTypes). Absent: not said; then the bucket's old word stands. */
  readonly blocked?: readonly 'SSE-C'[]
}

/** PutBucketEncryption: one rule. MalformedXML, InvalidArgument. */
export function parseServerSideEncryptionConfiguration(bytes: Uint8Array): BucketEncryption {
  const [rule, another] = parseXml(bytes, 'ServerSideEncryptionConfiguration').children
  if (rule?.name !== 'Rule' || another !== undefined) throw s3Error('MalformedXML')
  knownChildren(rule, ['ApplyServerSideEncryptionByDefault', 'BucketKeyEnabled', 'BlockedEncryptionTypes'])
  const byDefault = findChild(rule, 'ApplyServerSideEncryptionByDefault')
  const blocked = parseBlockedEncryptionTypes(findChild(rule, 'BlockedEncryptionTypes'))
  if (byDefault === undefined && blocked === undefined) throw s3Error('MalformedXML')
  const { algorithm, kmsKeyId } = byDefault ? parseEncryptionByDefault(byDefault) : { algorithm: 'AES256' as const }
  return {
    algorithm,
    ...(kmsKeyId !== undefined && { kmsKeyId }),
    // As AWS: on for SSE-S3, where it is how it works; off for SSE-KMS unless switched on.
    bucketKeyEnabled: findBoolean(rule, 'BucketKeyEnabled') ?? algorithm === 'AES256',
    ...(blocked && { blocked }),
  }
}

function parseEncryptionByDefault(byDefault: XmlElement): Pick<BucketEncryption, 'algorithm' | 'kmsKeyId'> {
  knownChildren(byDefault, ['SSEAlgorithm', 'KMSMasterKeyID'])
  const algorithm = findText(byDefault, 'SSEAlgorithm')?.trim()
  const kmsKeyId = findText(byDefault, 'KMSMasterKeyID')?.trim()
  if (isKmsAlgorithm(algorithm)) return { algorithm, ...(kmsKeyId && { kmsKeyId }) }
  if (algorithm !== 'AES256') throw s3Error('MalformedXML')
  if (kmsKeyId !== undefined) {
    throw s3Error('InvalidArgument', {
      message: 'a KMSMasterKeyID is not applicable if the default sse algorithm is not aws:kms or aws:kms:dsse',
    })
  }
  return { algorithm }
}

/** S3 API, BlockedEncryptionTypes: NONE or SSE-C. */
function parseBlockedEncryptionTypes(element: XmlElement | undefined): 'SSE-C'[] | undefined {
  if (element === undefined) return undefined
  knownChildren(element, ['EncryptionType'])
  const types = element.children.map(({ text }) => text.trim())
  if (types.length === 1 && types[0] === 'NONE') return []
  if (types.length === 1 && types[0] === 'SSE-C') return ['SSE-C']
  throw s3Error('MalformedXML')
}

/** What UpdateObjectEncryption asks for. */
export interface ObjectEncryption {
  readonly kmsKeyId: string
  readonly bucketKeyEnabled: boolean
}

/** UpdateObjectEncryption: SSE-KMS only, as in AWS. MalformedXML, InvalidRequest. */
export function parseObjectEncryption(bytes: Uint8Array): ObjectEncryption {
  const [kind, another] = parseXml(bytes, 'ObjectEncryption').children
  if (kind === undefined || another !== undefined) throw s3Error('MalformedXML')
  if (kind.name !== 'SSE-KMS') {
    throw s3Error('InvalidRequest', {
      message:
        "The UpdateObjectEncryption operation doesn't support updating the encryption type to DSSE-KMS or SSE-C. Modify the request to specify SSE-KMS for the updated encryption type, and then try again.",
    })
  }
  knownChildren(kind, ['KMSKeyArn', 'BucketKeyEnabled'])
  const kmsKeyId = findText(kind, 'KMSKeyArn')?.trim()
  if (!kmsKeyId) throw s3Error('MalformedXML')
  return { kmsKeyId, bucketKeyEnabled: findBoolean(kind, 'BucketKeyEnabled') ?? false }
}
