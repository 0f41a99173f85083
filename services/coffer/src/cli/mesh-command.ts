import { optionNames } from '@coffer/config'
import { Command } from 'commander'
import { addOptionFlags, configurationValues } from './option-flags.ts'

export function meshCommand(): Command {
  const command = new Command('mesh').description(
    'serve S3 from every service as a process of its own on this machine, over NATS; two gateways on neighbouring ports',
  )
  return addOptionFlags(command, optionNames()).action(async () => {
    const { runLocalMesh } = await import('../local-mesh/run-local-mesh.ts')
    // As they were written: each process parses them as this one did.
    await runLocalMesh(configurationValues(command), process.argv.slice(process.argv.indexOf(command.name()) + 1))
  })
}
