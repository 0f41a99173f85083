import type { ScrubReport } from '@coffer/contracts'
import { Command } from 'commander'
import { addOptionFlags, MESH_OPTIONS, STORE_OPTIONS } from './option-flags.ts'
import { withStore } from './with-store.ts'

export function scrubCommand(): Command {
  const command = new Command('scrub')
    .description('check that all object data is there, and remove what nothing refers to; also beside a running server')
    .option('--json', 'print JSON')
  addOptionFlags(command, [...STORE_OPTIONS, ...MESH_OPTIONS])
  return command.action(async ({ json }: { json?: boolean }) => {
    await withStore(command, async (mesh) => {
      const report = await mesh.use('rotation').scrub()
      process.stdout.write(json ? `${JSON.stringify(report, undefined, 2)}\n` : renderReport(report))
      if (report.damaged.length + report.incomplete.length > 0) process.exitCode = 1
    })
  })
}

function renderReport({ blobsSeen, orphansRemoved, garbageRemoved, damaged, incomplete }: ScrubReport): string {
  const lines = [
    `${blobsSeen} blobs seen`,
    `${garbageRemoved} removed that a commit had dropped`,
    `${orphansRemoved} removed that an unfinished write had left`,
    `${damaged.length} damaged`,
    ...damaged.map(({ blobId, problem }) => `  ${blobId}: ${problem === 'size' ? 'of the wrong size' : problem}`),
    ...incomplete.map(({ store, code }) => `the store ${store} has to be scrubbed again: ${code}`),
  ]
  return `${lines.join('\n')}\n`
}
