import { Command } from 'commander'
import type { RootKeyRotation } from '../root-key-rotation.ts'
import { addOptionFlags, configurationValues, MESH_OPTIONS, STORE_OPTIONS } from './option-flags.ts'
import { print, printJson } from './print.ts'

export function rootKeyCommand(): Command {
  return new Command('root-key')
    .description('the root key, which seals the master keys of the built-in KMS; also beside a running server')
    .addCommand(rotateCommand())
}

function rotateCommand(): Command {
  const command = new Command('rotate')
    .description('replace the root key; no server needs to stop, and nothing that is stored is written anew')
    .option('--new-root-key-file <path>', 'the new root key, where it is not kept in the data directory')
    .option('--json', 'print JSON')
  addOptionFlags(command, [...STORE_OPTIONS, ...MESH_OPTIONS])
  return command.action(async ({ newRootKeyFile, json }: { newRootKeyFile?: string; json?: boolean }) => {
    const configuration = configurationValues(command)
    const { rotateRootKey } = await import('./rotate-root-key.ts')
    const rotation = await rotateRootKey(configuration, newRootKeyFile)
    if (json) printJson(rotation)
    else print(render(rotation))
    if (rotation.damagedKeys.length > 0) process.exitCode = 1
  })
}

function render({ outcome, newRootKey, oldRootKey, warning, damagedKeys }: RootKeyRotation): string {
  const begin =
    outcome === 'rotated'
      ? `The root key is replaced; only the new one, in ${newRootKey}, opens the store.`
      : `A rotation that had been cut short is finished; only the root key in ${newRootKey} opens the store.`
  const copy = 'Keep a copy of it elsewhere: without it nothing can be read.'
  const configure = `Before the next start, put it where the old one comes from (${oldRootKey}). A running server goes on.`
  return [
    begin,
    newRootKey === oldRootKey ? copy : configure,
    'The old one is no longer needed, but for backups that were made before.',
    ...(warning ? [`Warning: ${warning}`] : []),
    ...damagedKeys.map((keyId) => `The record of the master key ${keyId} is damaged, and was before.`),
  ].join('\n')
}
