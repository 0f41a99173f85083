import { AUDIT_ERRORS } from '@coffer/audit'
import { BLOB_ERRORS } from '@coffer/blob-store'
import { CONFIG_ERRORS } from '@coffer/config'
import { CRYPTO_ERRORS } from '@coffer/crypto-core'
import { EVENT_TARGET_ERRORS } from '@coffer/event-targets'
import { DIRECTORY_ERRORS } from '@coffer/identity-directory'
import { JOB_ERRORS } from '@coffer/job-queue'
import { KMS_ERRORS } from '@coffer/kms'
import { MESH_ERRORS } from '@coffer/mesh'
import { METADATA_ERRORS } from '@coffer/metadata-store'
import { S3_ERRORS } from '@coffer/s3-protocol'
import { DATA_DIRECTORY_ERRORS } from '@coffer/service-coffer/data-directory'
import { COFFER_ERRORS } from '@coffer/service-coffer/errors'
import { ENGINE_ERRORS } from '@coffer/service-crypto'
import { KMS_API_ERRORS, QUERY_API_ERRORS } from '@coffer/service-gateway'
import { IAM_ERRORS } from '@coffer/service-iam'
import { ROTATION_ERRORS } from '@coffer/service-rotation'
import { TRACING_ERRORS } from '@coffer/tracing'
import { WEB_IDENTITY_ERRORS } from '@coffer/web-identity'

export const ERRORS_PAGE = new URL('../../docs/errors.md', import.meta.url)

const INTERNAL: readonly (readonly [title: string, table: Readonly<Record<string, string>>])[] = [
  ['Configuration', CONFIG_ERRORS],
  ['Starting and commands', { ...COFFER_ERRORS, ...DATA_DIRECTORY_ERRORS }],
  ['Keys', { ...KMS_ERRORS, ...ENGINE_ERRORS, ...ROTATION_ERRORS }],
  ['Jobs', JOB_ERRORS],
  ['Audit trail', AUDIT_ERRORS],
  ['Event targets', EVENT_TARGET_ERRORS],
  ['Cryptography', CRYPTO_ERRORS],
  ['Accounts and identities', { ...IAM_ERRORS, ...WEB_IDENTITY_ERRORS, ...DIRECTORY_ERRORS }],
  ['Metadata store', METADATA_ERRORS],
  ['Blob store', BLOB_ERRORS],
  ['Mesh', MESH_ERRORS],
  ['Traces', TRACING_ERRORS],
]

/** docs/errors.md, out of the tables that the code throws from. `node test/docs/write-errors-page.ts` writes it. */
export function errorsPage(): string {
  const s3 = Object.entries(S3_ERRORS).map(([code, [status, message]]) => `| ${code} | ${status} | ${message} |`)
  const kms = Object.entries(KMS_API_ERRORS).map(([code, [status, message]]) => `| ${code} | ${status} | ${message} |`)
  const iam = Object.entries(QUERY_API_ERRORS).map(
    ([code, [status, message]]) => `| ${code} | ${status} | ${message} |`,
  )
  const internal = INTERNAL.flatMap(([title, table]) => [
    `## ${title}`,
    '',
    '| code | meaning |',
    '| --- | --- |',
    ...Object.entries(table).map(([code, meaning]) => `| ${code} | ${meaning} |`),
    '',
  ])
  return [
    '# Errors',
    '',
    'Generated from the tables in the code. Codes do not change; messages may.',
    '',
    '## What an S3 client sees',
    '',
    "AWS's codes and statuses. A damaged object is `InternalError` with a message that says so, and an `audit: integrity` line in",
    'the log. While a service or the KMS cannot be reached the answer is `ServiceUnavailable` with `Retry-After`.',
    '',
    '| code | status | message |',
    '| --- | --- | --- |',
    ...s3,
    '',
    '## What a client of the KMS API sees',
    '',
    "AWS's codes. While the KMS or a service cannot be reached the answer is `DependencyTimeoutException` with `Retry-After`.",
    '',
    '| code | status | message |',
    '| --- | --- | --- |',
    ...kms,
    '',
    '## What a client of the IAM API sees',
    '',
    "AWS's codes. While a service cannot be reached the answer is `ServiceUnavailable` with `Retry-After`.",
    '',
    '| code | status | message |',
    '| --- | --- | --- |',
    ...iam,
    '',
    ...internal,
  ].join('\n')
}
