import type { Mesh } from '@coffer/mesh'
import { accessKeyRecord } from '../access-keys.ts'
import { newAccessKey } from '../credentials.ts'
import { arnOf, type Entity, type Group, type ManagedPolicy, type User } from '../entities.ts'
import { IamRecords, type SealedChange } from '../iam-records.ts'
import { IamStore } from '../iam-store.ts'

export interface DirectorySize {
  readonly users: number
  readonly groups: number
  readonly policies: number
}

export interface FilledUser {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  /** The one bucket whose objects this user may read. */
  readonly bucket: string
}

const BATCH_MAX = 1_000
const GROUPS_OF_USER = 2
const POLICIES_OF_GROUP = 4

/** Many identities at once, for measurements: users in two groups each, groups with four policies each, a policy of its own. */
export async function fillDirectory(mesh: Mesh, accountId: string, size: DirectorySize): Promise<FilledUser[]> {
  const store = new IamStore(new IamRecords(mesh), { staleMsMax: 0, onSecretsChanged: () => undefined })
  const createdAt = Date.now()
  const named = (kind: string, index: number) => ({
    accountId,
    id: `${kind.slice(0, 4).toUpperCase()}${String(index).padStart(17, '0')}`,
    name: `${kind}-${index}`,
    path: '/',
    createdAt,
  })
  const policies = range(size.policies, (index): ManagedPolicy => {
    const statements = ['s3:GetObject', 's3:PutObject', 's3:ListBucket'].map((Action) => ({
      Effect: 'Allow',
      Action,
      Resource: `arn:aws:s3:::team-${index}/*`,
      Condition: { IpAddress: { 'aws:SourceIp': ['10.0.0.0/8', '127.0.0.0/8'] } },
    }))
    const document = JSON.stringify({ Version: '2012-10-17', Statement: statements })
    return {
      kind: 'policy',
      ...named('policy', index),
      updatedAt: createdAt,
      versions: [{ id: 'v1', document, createdAt }],
      defaultVersionId: 'v1',
      versionsMade: 1,
      tags: [],
    }
  })
  const groups = range(size.groups, (index): Group => {
    const attached = range(
      POLICIES_OF_GROUP,
      (offset) => policies[(index * POLICIES_OF_GROUP + offset) % size.policies],
    )
    return {
      kind: 'group',
      ...named('group', index),
      attached: attached.flatMap((policy) => (policy ? [arnOf(policy)] : [])),
      inline: {},
    }
  })
  const keys = range(size.users, () => newAccessKey())
  const users = range(size.users, (index): User => {
    const statement = { Effect: 'Allow', Action: 's3:GetObject', Resource: `arn:aws:s3:::own-${index}/*` }
    const groupIds = range(GROUPS_OF_USER, (offset) => groups[(index + offset) % size.groups]?.id ?? '')
    return {
      kind: 'user',
      ...named('user', index),
      tags: [],
      groupIds,
      attached: [],
      inline: { own: JSON.stringify({ Version: '2012-10-17', Statement: statement }) },
      accessKeys: [{ accessKeyId: keys[index]?.accessKeyId ?? '', isActive: true, createdAt }],
    }
  })
  await inBatches<Entity>([...policies, ...groups, ...users], (put) => store.change(() => ({ put, result: undefined })))
  const secrets = keys.map(
    (key): SealedChange => ({ id: accessKeyRecord(key.accessKeyId), value: { ...key, accountId } }),
  )
  await inBatches(secrets, (others) => store.change(() => ({ others, result: undefined })))
  return keys.map((key, index) => ({ ...key, bucket: `own-${index}` }))
}

function range<T>(count: number, make: (index: number) => T): T[] {
  return Array.from({ length: count }, (_, index) => make(index))
}

async function inBatches<T>(items: readonly T[], write: (batch: readonly T[]) => Promise<void>): Promise<void> {
  for (let from = 0; from < items.length; from += BATCH_MAX) await write(items.slice(from, from + BATCH_MAX))
}
