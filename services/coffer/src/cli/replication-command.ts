import type { Mesh } from '@coffer/mesh'
import { destinationOf } from '@coffer/object-record'
import Table from 'cli-table3'
import { Command } from 'commander'
import { addOptionFlags, MESH_OPTIONS, STORE_OPTIONS } from './option-flags.ts'
import { print, printJson } from './print.ts'
import { durationText } from './quantities.ts'
import { withStore } from './with-store.ts'

const COUNT_MAX = 100_000

interface Waiting {
  readonly destination: string
  readonly waitingCount: number
  /** How long the first of them has waited. */
  readonly lagMs: number
}

export function replicationCommand(): Command {
  return new Command('replication')
    .description('replication to other stores (to set it: aws s3api put-bucket-replication)')
    .addCommand(statusCommand())
}

function statusCommand(): Command {
  const command = new Command('status')
    .description('show each destination that something waits for, how much, and for how long')
    .option('--json', 'print JSON')
  addOptionFlags(command, [...STORE_OPTIONS, ...MESH_OPTIONS])
  return command.action(async ({ json }: { json?: boolean }) => {
    await withStore(command, async (mesh) => {
      const status = await statusOf(mesh)
      if (json) printJson(status)
      else print(status.length === 0 ? 'Nothing waits to be replicated.' : render(status))
    })
  })
}

async function statusOf(mesh: Mesh): Promise<readonly Waiting[]> {
  const metadata = mesh.use('metadata')
  const waiting: Waiting[] = []
  for (const queue of await metadata.listEventQueues()) {
    const destination = destinationOf(queue)
    if (destination === undefined) continue
    const [first] = await metadata.listEvents({ queue, afterId: '', limit: 1 })
    const waitingCount = await metadata.countEvents(queue, COUNT_MAX)
    if (first) waiting.push({ destination, waitingCount, lagMs: Math.max(0, Date.now() - first.createdAt) })
  }
  return waiting
}

function render(status: readonly Waiting[]): string {
  const table = new Table({ head: ['destination', 'waiting', 'since'], style: { head: [], border: [], compact: true } })
  for (const { destination, waitingCount, lagMs } of status) {
    table.push([destination, waitingCount, durationText(lagMs)])
  }
  return table.toString()
}
