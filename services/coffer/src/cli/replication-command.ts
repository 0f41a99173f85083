import Table from 'cli-table3'
import { Command } from 'commander'
import { replicationStatus, type WaitingReplication } from '../replication-status.ts'
import { addOptionFlags, MESH_OPTIONS, STORE_OPTIONS } from './option-flags.ts'
import { print, printJson } from './print.ts'
import { durationText, sizeText } from './quantities.ts'
import { withStore } from './with-store.ts'

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
      const status = await replicationStatus(mesh)
      if (json) printJson(status)
      else print(status.length === 0 ? 'Nothing waits to be replicated.' : render(status))
    })
  })
}

function render(status: readonly WaitingReplication[]): string {
  const table = new Table({
    head: ['destination', 'waiting', 'to be sent', 'since'],
    style: { head: [], border: [], compact: true },
  })
  for (const { destination, waitingCount, pendingBytes, lagMs } of status) {
    table.push([destination, waitingCount, sizeText(pendingBytes), durationText(lagMs)])
  }
  return table.toString()
}
