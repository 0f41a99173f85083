import {
  GetObjectAclCommand,
  GetObjectRetentionCommand,
  PutObjectAclCommand,
  PutObjectLegalHoldCommand,
  PutObjectRetentionCommand,
  PutObjectTaggingCommand,
  type S3Client,
} from '@aws-sdk/client-s3'
import { mayReplaceRetention } from '@coffer/object-record'
import type { Grant } from '@coffer/s3-protocol'
import type { SentChange } from './destination.ts'
import { type Headers, withHeaders } from './with-headers.ts'

type SentRetention = Extract<SentChange, { readonly what: 'retention' }>

interface SentVersion {
  readonly Bucket: string
  readonly Key: string
  readonly VersionId: string
  readonly ExpectedBucketOwner?: string
}

/** Where access control lists are off, everything is the bucket owner's already. */
const NO_LISTS = 'AccessControlListNotSupported'

/** The same change once more is none: a task that is done twice does no harm. Throws what the SDK does. */
export async function changeOfVersion(
  client: S3Client,
  version: SentVersion,
  change: SentChange,
  mark: Headers,
): Promise<void> {
  switch (change.what) {
    case 'tags': {
      const TagSet = Object.entries(change.tags).map(([Key, Value]) => ({ Key, Value }))
      await client.send(withHeaders(new PutObjectTaggingCommand({ ...version, Tagging: { TagSet } }), mark))
      return
    }
    case 'legal-hold': {
      const LegalHold = { Status: change.legalHold }
      await client.send(withHeaders(new PutObjectLegalHoldCommand({ ...version, LegalHold }), mark))
      return
    }
    case 'retention':
      await putRetention(client, version, change, mark).catch(async (error: unknown) => {
        if (!(await isHeldThere(client, version, change))) throw error
      })
      return
    case 'acl':
      await putAcl(client, version, change.grants, mark).catch((error: unknown) => {
        if (!(error instanceof Error && error.name === NO_LISTS)) throw error
      })
  }
}

/**
 * Governance there is passed over only for who passed over it here: the lock there, by default of its bucket or by others' hands, may be for longer,
 * and a change that anybody may make here must not shorten it with the rights that replication has there.
 */
async function putRetention(
  client: S3Client,
  version: SentVersion,
  { retention, bypassGovernance }: SentRetention,
  mark: Headers,
): Promise<void> {
  const { mode: Mode, retainUntilAt = 0 } = retention ?? {}
  const Retention = Mode === undefined ? {} : { Mode, RetainUntilDate: new Date(retainUntilAt) }
  const bypass = bypassGovernance && { BypassGovernanceRetention: true }
  await client.send(withHeaders(new PutObjectRetentionCommand({ ...version, Retention, ...bypass }), mark))
}

/** Whether it was refused because what holds the version there is not this change's to loosen. */
async function isHeldThere(
  client: S3Client,
  version: SentVersion,
  { retention, bypassGovernance }: SentRetention,
): Promise<boolean> {
  try {
    const { Retention: { Mode: mode, RetainUntilDate: until } = {} } = await client.send(
      new GetObjectRetentionCommand(version),
    )
    if (mode === undefined || until === undefined) return false
    const there = { mode, retainUntilAt: until.getTime() }
    return !mayReplaceRetention(there, retention, Date.now(), { bypassGovernance })
  } catch {
    // The refusal itself is what is told.
    return false
  }
}

async function putAcl(client: S3Client, version: SentVersion, grants: readonly Grant[], mark: Headers): Promise<void> {
  const { Owner } = await client.send(new GetObjectAclCommand(version))
  const own = { Grantee: { Type: 'CanonicalUser' as const, ID: Owner?.ID }, Permission: 'FULL_CONTROL' as const }
  const others = grants.flatMap(({ grantee, permission }) =>
    'uri' in grantee ? [{ Grantee: { Type: 'Group' as const, URI: grantee.uri }, Permission: permission }] : [],
  )
  const AccessControlPolicy = { Owner, Grants: [own, ...others] }
  await client.send(withHeaders(new PutObjectAclCommand({ ...version, AccessControlPolicy }), mark))
}
