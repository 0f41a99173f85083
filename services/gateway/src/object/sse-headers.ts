import type { ObjectAttributes } from '@coffer/object-record'

/** What the request said of SSE-C, if anything. */
export type PresentedSse = { readonly kind: string; readonly keyMd5?: string }

/** How the object is encrypted; for SSE-C the client's own key digest is echoed. The encryption context is never shown. */
export function sseHeaders(
  attributes: Pick<ObjectAttributes, 'sse' | 'kms'>,
  presented: PresentedSse,
): Record<string, string> {
  if (attributes.kms !== undefined) {
    return {
      'x-amz-server-side-encryption': attributes.sse === 'DSSE-KMS' ? 'aws:kms:dsse' : 'aws:kms',
      'x-amz-server-side-encryption-aws-kms-key-id': attributes.kms.keyId,
      ...(attributes.kms.bucketKeyEnabled && { 'x-amz-server-side-encryption-bucket-key-enabled': 'true' }),
    }
  }
  if (attributes.sse === 'SSE-S3') return { 'x-amz-server-side-encryption': 'AES256' }
  const headers: Record<string, string> = { 'x-amz-server-side-encryption-customer-algorithm': 'AES256' }
  if (presented.keyMd5 !== undefined) headers['x-amz-server-side-encryption-customer-key-md5'] = presented.keyMd5
  return headers
}
