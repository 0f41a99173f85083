import { declarationOf, optionNames } from '@coffer/config'
import Table from 'cli-table3'
import { Command } from 'commander'
import { addOptionFlags, configurationOf } from './option-flags.ts'

export function configCommand(): Command {
  const command = new Command('config').description('show every option, its value and where that came from')
  return addOptionFlags(command, optionNames()).action(() => {
    const { values, origins } = configurationOf(command)
    const table = new Table({ head: ['option', 'value', 'from'], style: { head: [], border: [] } })
    for (const name of optionNames()) {
      const value = values[name]
      const isSecret = declarationOf(name).secret === true
      table.push([name, value === undefined ? '' : isSecret ? '(set)' : shown(value), origins[name] ?? ''])
    }
    process.stdout.write(`${table.toString()}\n`)
  })
}

function shown(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value)
}
