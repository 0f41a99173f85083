import { randomBytes } from 'node:crypto'
import {
  type BucketCannedACL,
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  DeleteBucketOwnershipControlsCommand,
  DeleteObjectsCommand,
  DeletePublicAccessBlockCommand,
  GetBucketAclCommand,
  GetBucketOwnershipControlsCommand,
  GetBucketPolicyStatusCommand,
  GetObjectAclCommand,
  GetObjectCommand,
  type Grant,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  type ObjectCannedACL,
  type ObjectOwnership,
  type Permission,
  PutBucketAclCommand,
  PutBucketOwnershipControlsCommand,
  PutBucketPolicyCommand,
  PutBucketVersioningCommand,
  PutObjectAclCommand,
  PutObjectCommand,
  PutPublicAccessBlockCommand,
  UploadPartCommand,
} from '@aws-sdk/client-s3'
import { describe, expect, it } from 'vitest'
import { cofferJson } from '../harness/coffer-command.ts'
import { send, sendSigned } from '../harness/raw-request.ts'
import { bytesOf, failureOf, s3Client } from '../harness/s3.ts'
import { serverForSuite } from '../harness/start-server.ts'
import { iam, newUser, policy } from '../iam/query-api.ts'

interface Created {
  readonly account: { readonly accountId: string; readonly canonicalId: string; readonly name: string }
  readonly accessKey: { readonly accessKeyId: string; readonly secretAccessKey: string }
}

const server = await serverForSuite({ env: { COFFER_PUBLIC_ACCESS: 'allowed' } })
const owner = s3Client(server)
const created = await cofferJson<Created>(server, ['account', 'create', 'guest'])
const guest = s3Client({ ...server, ...created.accessKey })
const guestId = created.account.canonicalId
const GUEST = { ID: guestId, DisplayName: 'guest', Type: 'CanonicalUser' }
const DENIED = { code: 'AccessDenied', status: 403 }
const EVERYBODY = 'http://acs.amazonaws.com/groups/global/AllUsers'

async function bucketWith(ownership: ObjectOwnership, ACL?: BucketCannedACL): Promise<string> {
  const Bucket = `b-${randomBytes(8).toString('hex')}`
  await owner.send(new CreateBucketCommand({ Bucket, ObjectOwnership: ownership, ...(ACL && { ACL }) }))
  return Bucket
}

const get = (client: typeof owner, Bucket: string, Key = 'k') => client.send(new GetObjectCommand({ Bucket, Key }))
const put = (client: typeof owner, Bucket: string, ACL?: ObjectCannedACL, Key = 'k') =>
  client.send(new PutObjectCommand({ Bucket, Key, Body: 'x', ...(ACL && { ACL }) }))
const anonymous = async (path: string, method = 'GET') => (await send(server, { method, path })).status
const permissionsOf = ({ Grants }: { Grants?: Grant[] | undefined }) =>
  (Grants ?? [])
    .map(({ Permission, Grantee }) => `${Grantee?.URI?.split('/').at(-1) ?? Grantee?.ID} ${Permission}`)
    .sort()

describe('a bucket’s access control list', () => {
  it('lets in whom a canned one names, for what it names', async () => {
    for (const [acl, others, guests] of [
      ['private', 403, 'denied'],
      ['public-read', 200, 'allowed'],
      ['authenticated-read', 403, 'allowed'],
    ] as const) {
      const Bucket = await bucketWith('ObjectWriter', acl)
      expect(await anonymous(`/${Bucket}?list-type=2`), acl).toBe(others)
      const listing = guest.send(new ListObjectsV2Command({ Bucket }))
      if (guests === 'allowed') await listing
      else expect(await failureOf(listing)).toEqual(DENIED)
      expect(await failureOf(put(guest, Bucket))).toEqual(DENIED)
    }
  })

  it('is reset when its owner makes the bucket again, as AWS does in us-east-1', async () => {
    const Bucket = await bucketWith('ObjectWriter', 'public-read')
    const grants = async () => permissionsOf(await owner.send(new GetBucketAclCommand({ Bucket })))
    expect(await grants()).toContain('AllUsers READ')
    await put(owner, Bucket)
    await owner.send(new CreateBucketCommand({ Bucket }))
    expect((await grants()).filter((grant) => grant.startsWith('AllUsers'))).toEqual([])
    await owner.send(new CreateBucketCommand({ Bucket, ACL: 'authenticated-read', ObjectOwnership: 'ObjectWriter' }))
    expect(await grants()).toContain('AuthenticatedUsers READ')
    expect(await failureOf(guest.send(new CreateBucketCommand({ Bucket })))).toMatchObject({ status: 409 })
    expect((await bytesOf(await get(owner, Bucket))).toString()).toBe('x')
  })

  it('of public-read-write lets everybody write, and delete key by key', async () => {
    const Bucket = await bucketWith('ObjectWriter', 'public-read-write')
    await put(guest, Bucket)
    expect((await send(server, { method: 'PUT', path: `/${Bucket}/a`, body: 'x' })).status).toBe(200)
    const Delete = { Objects: [{ Key: 'a' }, { Key: 'k' }] }
    const { Deleted, Errors } = await guest.send(new DeleteObjectsCommand({ Bucket, Delete }))
    expect([Deleted?.length, Errors]).toEqual([2, undefined])
  })

  it('takes grants by header and by document, and shows them', async () => {
    const Bucket = await bucketWith('BucketOwnerPreferred')
    await owner.send(
      new PutBucketAclCommand({ Bucket, GrantRead: `id="${guestId}"`, GrantWriteACP: `uri="${EVERYBODY}"` }),
    )
    const shown = await owner.send(new GetBucketAclCommand({ Bucket }))
    expect(permissionsOf(shown)).toEqual([`${guestId} READ`, 'AllUsers WRITE_ACP'].sort())
    await guest.send(new ListObjectsV2Command({ Bucket }))
    expect(await failureOf(guest.send(new GetBucketAclCommand({ Bucket })))).toEqual(DENIED)
    const Grants = [
      { Grantee: { ID: guestId, Type: 'CanonicalUser' as const }, Permission: 'FULL_CONTROL' as Permission },
    ]
    const AccessControlPolicy = { Owner: shown.Owner, Grants }
    await owner.send(new PutBucketAclCommand({ Bucket, AccessControlPolicy }))
    expect((await guest.send(new GetBucketAclCommand({ Bucket }))).Grants).toEqual([
      { Grantee: GUEST, Permission: 'FULL_CONTROL' },
    ])
    // Its owner needs no grant.
    await owner.send(new PutBucketAclCommand({ Bucket, AccessControlPolicy: { Owner: shown.Owner, Grants: [] } }))
    expect(await failureOf(guest.send(new ListObjectsV2Command({ Bucket })))).toEqual(DENIED)
    await owner.send(new ListObjectsV2Command({ Bucket }))
  })

  it('that names nobody, or says nothing, is refused with AWS’s codes', async () => {
    const Bucket = await bucketWith('ObjectWriter')
    const { Owner } = await owner.send(new GetBucketAclCommand({ Bucket }))
    const refusal = (input: object) => failureOf(owner.send(new PutBucketAclCommand({ Bucket, ...input })))
    expect((await refusal({ GrantRead: 'id="_foo"' })).code).toBe('InvalidArgument')
    expect((await refusal({ GrantRead: 'uri="http://acs.amazonaws.com/groups/global/Nobody"' })).code).toBe(
      'InvalidArgument',
    )
    expect((await refusal({ GrantRead: 'emailAddress="a@example.com"' })).code).toBe('UnresolvableGrantByEmailAddress')
    expect((await refusal({ ACL: 'public', GrantRead: undefined })).code).toBe('InvalidArgument')
    expect((await refusal({ ACL: 'private', GrantRead: `id="${guestId}"` })).code).toBe('InvalidRequest')
    expect((await refusal({ AccessControlPolicy: { Owner: { ID: guestId }, Grants: [] } })).code).toBe('AccessDenied')
    const policy = { Owner, Grants: [{ Grantee: { Type: 'CanonicalUser', ID: guestId }, Permission: 'ALL' }] }
    expect((await refusal({ AccessControlPolicy: policy })).code).toBe('MalformedACLError')
    const bare = await sendSigned(server, { method: 'PUT', path: `/${Bucket}`, query: { acl: '' } })
    expect(bare.code).toBe('MissingSecurityHeader')
  })
})

describe('an object’s access control list', () => {
  it('lets in whom it names, is changed in place, and is of one version', async () => {
    const Bucket = await bucketWith('ObjectWriter')
    const VersioningConfiguration = { Status: 'Enabled' as const }
    await owner.send(new PutBucketVersioningCommand({ Bucket, VersioningConfiguration }))
    const { VersionId } = await put(owner, Bucket, 'public-read')
    const { LastModified } = await owner.send(new HeadObjectCommand({ Bucket, Key: 'k' }))
    expect(await anonymous(`/${Bucket}/k`)).toBe(200)
    await owner.send(new PutObjectAclCommand({ Bucket, Key: 'k', ACL: 'private' }))
    expect(await anonymous(`/${Bucket}/k`)).toBe(403)
    expect(await failureOf(get(guest, Bucket))).toEqual(DENIED)
    await owner.send(new PutObjectAclCommand({ Bucket, Key: 'k', GrantRead: `id=${guestId}` }))
    await get(guest, Bucket)
    expect(await anonymous(`/${Bucket}/k`)).toBe(403)
    expect((await owner.send(new HeadObjectCommand({ Bucket, Key: 'k' }))).LastModified).toEqual(LastModified)
    // A new version begins with a list of its own.
    await put(owner, Bucket)
    expect(await failureOf(get(guest, Bucket))).toEqual(DENIED)
    await guest.send(new GetObjectCommand({ Bucket, Key: 'k', VersionId }))
  })

  it('of a copy is what the copy asks for, not its source’s', async () => {
    const Bucket = await bucketWith('ObjectWriter')
    await put(owner, Bucket, 'public-read')
    await owner.send(new CopyObjectCommand({ Bucket, Key: 'plain', CopySource: `${Bucket}/k` }))
    await owner.send(new CopyObjectCommand({ Bucket, Key: 'open', CopySource: `${Bucket}/k`, ACL: 'public-read' }))
    expect([await anonymous(`/${Bucket}/plain`), await anonymous(`/${Bucket}/open`)]).toEqual([403, 200])
  })

  it('is given to a multipart upload when it begins, and the upload is shown as its beginner’s', async () => {
    const Bucket = await bucketWith('ObjectWriter', 'public-read-write')
    const upload = { Bucket, Key: 'k' }
    const { UploadId } = await guest.send(new CreateMultipartUploadCommand({ ...upload, ACL: 'public-read' }))
    const { Uploads } = await owner.send(new ListMultipartUploadsCommand({ Bucket }))
    expect(Uploads).toMatchObject([{ Owner: { ID: guestId }, Initiator: { ID: guestId, DisplayName: 'guest' } }])
    const { ETag } = await guest.send(new UploadPartCommand({ ...upload, UploadId, PartNumber: 1, Body: 'x' }))
    const MultipartUpload = { Parts: [{ ETag, PartNumber: 1 }] }
    await guest.send(new CompleteMultipartUploadCommand({ ...upload, UploadId, MultipartUpload }))
    expect(await anonymous(`/${Bucket}/k`)).toBe(200)
    expect((await guest.send(new GetObjectAclCommand(upload))).Owner).toMatchObject({ ID: guestId })
  })

  it('is given by whom the account of the object lets give it', async () => {
    const Bucket = await bucketWith('ObjectWriter', 'public-read-write')
    const guestServer = { ...server, ...created.accessKey }
    const writer = s3Client({ ...server, ...(await newUser(guestServer, 'writer')) })
    const allow = (...Action: string[]) =>
      iam(guestServer, 'PutUserPolicy', {
        UserName: 'writer',
        PolicyName: 'own',
        PolicyDocument: policy({ Effect: 'Allow', Action, Resource: `arn:aws:s3:::${Bucket}/*` }),
      })
    await allow('s3:PutObject')
    await put(writer, Bucket)
    expect(await failureOf(put(writer, Bucket, 'public-read'))).toEqual(DENIED)
    await allow('s3:PutObject', 's3:PutObjectAcl')
    await expect.poll(() => put(writer, Bucket, 'public-read').then(() => 'done', String)).toBe('done')
  })

  it('is not given by nobody known, where a policy lets them write and no more', async () => {
    const Bucket = await bucketWith('ObjectWriter')
    const Statement = { Effect: 'Allow', Principal: '*', Action: 's3:PutObject', Resource: `arn:aws:s3:::${Bucket}/*` }
    await owner.send(new PutBucketPolicyCommand({ Bucket, Policy: policy(Statement) }))
    const drop = async (headers: Record<string, string>) =>
      (await send(server, { method: 'PUT', path: `/${Bucket}/dropped`, headers, body: 'x' })).status
    expect([await drop({}), await drop({ 'x-amz-acl': 'public-read' })]).toEqual([200, 403])
    const open = await bucketWith('ObjectWriter', 'public-read-write')
    const headers = { 'x-amz-acl': 'public-read' }
    expect((await send(server, { method: 'PUT', path: `/${open}/a`, headers, body: 'x' })).status).toBe(200)
  })

  it('tells who may list the bucket, and nobody else, that a key is not there', async () => {
    const open = await bucketWith('ObjectWriter', 'public-read')
    const closed = await bucketWith('ObjectWriter')
    expect([await anonymous(`/${open}/none`), await anonymous(`/${closed}/none`)]).toEqual([404, 403])
    expect(await anonymous('/no-such-bucket-anywhere/k')).toBe(404)
  })
})

describe('object ownership', () => {
  it('ObjectWriter: an object is its writer’s, and not the bucket owner’s to read or open', async () => {
    const Bucket = await bucketWith('ObjectWriter', 'public-read-write')
    await put(guest, Bucket, 'bucket-owner-full-control')
    expect((await guest.send(new GetObjectAclCommand({ Bucket, Key: 'k' }))).Owner?.ID).toBe(guestId)
    await get(owner, Bucket)
    await put(guest, Bucket)
    expect(await failureOf(get(owner, Bucket))).toEqual(DENIED)
    expect(await failureOf(owner.send(new PutObjectAclCommand({ Bucket, Key: 'k', ACL: 'public-read' })))).toEqual(
      DENIED,
    )
    const Statement = { Effect: 'Allow', Principal: '*', Action: 's3:GetObject', Resource: `arn:aws:s3:::${Bucket}/*` }
    const Policy = (statement: object) => JSON.stringify({ Version: '2012-10-17', Statement: statement })
    // The bucket's policy cannot give what is another's, but it can refuse it.
    await owner.send(new PutBucketPolicyCommand({ Bucket, Policy: Policy(Statement) }))
    expect([await anonymous(`/${Bucket}/k`), await failureOf(get(owner, Bucket))]).toEqual([403, DENIED])
    await owner.send(new PutBucketPolicyCommand({ Bucket, Policy: Policy({ ...Statement, Effect: 'Deny' }) }))
    expect(await failureOf(get(guest, Bucket))).toEqual(DENIED)
  })

  it('BucketOwnerPreferred: it is the bucket owner’s where its writer hands it over', async () => {
    const Bucket = await bucketWith('BucketOwnerPreferred', 'public-read-write')
    await put(guest, Bucket, 'bucket-owner-full-control')
    const { Owner, Grants } = await owner.send(new GetObjectAclCommand({ Bucket, Key: 'k' }))
    expect(Owner?.ID).not.toBe(guestId)
    expect(Grants).toEqual([{ Grantee: { ...Owner, Type: 'CanonicalUser' }, Permission: 'FULL_CONTROL' }])
    await put(guest, Bucket, undefined, 'kept')
    expect(await failureOf(get(owner, Bucket, 'kept'))).toEqual(DENIED)
  })

  it('BucketOwnerEnforced: lists no longer count, and count again when it is taken back', async () => {
    const Bucket = await bucketWith('ObjectWriter', 'public-read-write')
    const controls = (ObjectOwnership: ObjectOwnership) =>
      owner.send(new PutBucketOwnershipControlsCommand({ Bucket, OwnershipControls: { Rules: [{ ObjectOwnership }] } }))
    await put(guest, Bucket, 'public-read')
    expect((await failureOf(controls('BucketOwnerEnforced'))).code).toBe('InvalidBucketAclWithObjectOwnership')
    await owner.send(new PutBucketAclCommand({ Bucket, ACL: 'private' }))
    await controls('BucketOwnerEnforced')
    expect([await anonymous(`/${Bucket}/k`), await failureOf(get(guest, Bucket))]).toEqual([403, DENIED])
    expect((await bytesOf(await get(owner, Bucket))).toString()).toBe('x')
    expect((await owner.send(new GetObjectAclCommand({ Bucket, Key: 'k' }))).Owner?.ID).not.toBe(guestId)
    await owner.send(new DeleteBucketOwnershipControlsCommand({ Bucket }))
    expect(await failureOf(owner.send(new GetBucketOwnershipControlsCommand({ Bucket })))).toEqual({
      code: 'OwnershipControlsNotFoundError',
      status: 404,
    })
    expect(await anonymous(`/${Bucket}/k`)).toBe(200)
  })
})

describe('a public access block', () => {
  const block = (Bucket: string, settings: object) =>
    owner.send(new PutPublicAccessBlockCommand({ Bucket, PublicAccessBlockConfiguration: settings }))

  it('refuses public lists of buckets and objects', async () => {
    const Bucket = await bucketWith('ObjectWriter')
    await block(Bucket, { BlockPublicAcls: true })
    for (const acl of ['public-read', 'public-read-write', 'authenticated-read'] as const) {
      expect(await failureOf(put(owner, Bucket, acl))).toEqual(DENIED)
      expect(await failureOf(owner.send(new PutBucketAclCommand({ Bucket, ACL: acl })))).toEqual(DENIED)
    }
    await put(owner, Bucket, 'private')
    expect(await failureOf(owner.send(new PutObjectAclCommand({ Bucket, Key: 'k', ACL: 'public-read' })))).toEqual(
      DENIED,
    )
  })

  it('makes those that are there count for nothing, but for accounts that are named', async () => {
    const Bucket = await bucketWith('ObjectWriter', 'public-read')
    await put(owner, Bucket, 'public-read')
    await owner.send(new PutObjectCommand({ Bucket, Key: 'named', Body: 'x', GrantRead: `id=${guestId}` }))
    expect((await owner.send(new GetBucketPolicyStatusCommand({ Bucket }))).PolicyStatus?.IsPublic).toBe(true)
    await block(Bucket, { IgnorePublicAcls: true })
    expect([await anonymous(`/${Bucket}/k`), await failureOf(get(guest, Bucket))]).toEqual([403, DENIED])
    await get(guest, Bucket, 'named')
    expect((await owner.send(new GetBucketPolicyStatusCommand({ Bucket }))).PolicyStatus?.IsPublic).toBe(false)
    await owner.send(new DeletePublicAccessBlockCommand({ Bucket }))
    expect(await anonymous(`/${Bucket}/k`)).toBe(200)
  })
})
