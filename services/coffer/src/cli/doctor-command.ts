import { optionNames } from '@coffer/config'
import Table from 'cli-table3'
import { Command } from 'commander'
import type { Finding } from '../doctor/finding.ts'
import { addOptionFlags, configurationValues } from './option-flags.ts'
import { print, printJson } from './print.ts'

export function doctorCommand(): Command {
  const command = new Command('doctor')
    .description(
      'look for what a start or a client would stumble over; exit code 1 where something has to be put right',
    )
    .option('--json', 'print JSON')
  addOptionFlags(command, optionNames())
  return command.action(async ({ json }: { json?: boolean }) => {
    const { runDoctor } = await import('../doctor/run-doctor.ts')
    const findings = await runDoctor(configurationValues(command))
    if (json) printJson(findings)
    else print(render(findings))
    if (findings.some(({ level }) => level === 'problem')) process.exitCode = 1
  })
}

function render(findings: readonly Finding[]): string {
  const table = new Table({
    head: ['', 'what', 'about', ''],
    style: { head: [], border: [] },
    wordWrap: true,
    colWidths: [9, 28, 40, 60],
  })
  for (const { level, code, about, text } of findings) table.push([level, code, about, text])
  return table.toString()
}
