import type { Mesh } from '@coffer/mesh'
import type { BucketRecord } from '@coffer/metadata-store'
import { Command } from 'commander'
import { cofferError } from '../errors.ts'
import { addOptionFlags, MESH_OPTIONS, STORE_OPTIONS } from './option-flags.ts'
import { print, printJson } from './print.ts'
import { quotaCommand } from './quota-command.ts'
import { renderUsage } from './usage-tables.ts'
import { withStore } from './with-store.ts'

const PAGE = 1_000

export function bucketCommand(): Command {
  return new Command('bucket')
    .description('what buckets hold, and how much they may hold')
    .addCommand(usageCommand())
    .addCommand(quotaCommand({ kind: 'bucket', find: quotaOf }))
}

async function quotaOf(mesh: Mesh, name: string) {
  return { scope: { bucketId: (await bucketNamed(mesh, name)).id } }
}

function usageCommand(): Command {
  const command = new Command('usage')
    .description('what each bucket holds, of counters that every commit keeps; nothing is scanned')
    .argument('[bucket]', 'this one only')
    .option('--json', 'print JSON')
  addOptionFlags(command, [...STORE_OPTIONS, ...MESH_OPTIONS])
  return command.action(async (name: string | undefined, { json }: { json?: boolean }) => {
    await withStore(command, async (mesh) => {
      const metadata = mesh.use('metadata')
      const buckets = name === undefined ? await allBuckets(mesh) : [await bucketNamed(mesh, name)]
      const rows = []
      for (const { name: bucket, id: bucketId, ownerAccountId } of buckets) {
        const usage = await metadata.getUsage({ bucketId })
        rows.push({ name: bucket, ownerAccountId, usage, quota: await metadata.findQuota({ bucketId }) })
      }
      if (!json) return print(renderUsage('bucket', rows))
      printJson(
        rows.map(({ name: bucket, ownerAccountId, usage, quota }) => ({
          ...{ bucket, ownerAccountId, ...usage, quota: quota ?? null },
        })),
      )
    })
  })
}

async function bucketNamed(mesh: Mesh, name: string): Promise<BucketRecord> {
  const bucket = await mesh.use('metadata').findBucket(name)
  if (bucket === undefined) throw cofferError('COFFER_BUCKET_NOT_FOUND', `there is no bucket ${name}`)
  return bucket
}

async function allBuckets(mesh: Mesh): Promise<readonly BucketRecord[]> {
  const metadata = mesh.use('metadata')
  const buckets: BucketRecord[] = []
  for (const { accountId: ownerAccountId } of await mesh.use('iam').listAccounts()) {
    let afterName: string | undefined = ''
    while (afterName !== undefined) {
      const query = { ownerAccountId, prefix: '', afterName, limit: PAGE }
      const page: Awaited<ReturnType<typeof metadata.listBuckets>> = await metadata.listBuckets(query)
      buckets.push(...page.buckets)
      afterName = page.next
    }
  }
  return buckets.sort((a, b) => (a.name < b.name ? -1 : 1))
}
