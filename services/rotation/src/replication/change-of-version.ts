import {
  GetObjectAclCommand,
  PutObjectAclCommand,
  PutObjectLegalHoldCommand,
  PutObjectRetentionCommand,
  PutObjectTaggingCommand,
  type S3Client,
} from '@aws-sdk/client-s3'
import type { Grant } from '@coffer/s3-protocol'
import type { SentChange } from './destination.ts'
import { type Headers, withHeaders } from './with-headers.ts'

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
    case 'retention': {
      const { mode: Mode, retainUntilAt = 0 } = change.retention ?? {}
      const Retention = Mode === undefined ? {} : { Mode, RetainUntilDate: new Date(retainUntilAt) }
      // Whoever could loosen governance there may have it done here.
      const command = new PutObjectRetentionCommand({ ...version, Retention, BypassGovernanceRetention: true })
      await client.send(withHeaders(command, mark))
      return
    }
    case 'acl':
      await putAcl(client, version, change.grants, mark).catch((error: unknown) => {
        if (!(error instanceof Error && error.name === NO_LISTS)) throw error
      })
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
