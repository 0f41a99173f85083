import { Command } from 'commander'
import { newMeshKeyText } from '../mesh-key.ts'

export function meshKeyCommand(): Command {
  return new Command('mesh-key')
    .description('print a new key for a mesh, to be kept in a file that all its services are given (--mesh-key-file)')
    .action(() => {
      process.stdout.write(`${newMeshKeyText()}\n`)
    })
}
