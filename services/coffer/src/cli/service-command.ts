import { optionNames } from '@coffer/config'
import { Argument, Command } from 'commander'
import type { RunnableService } from '../service-process.ts'
import { addOptionFlags, configurationValues } from './option-flags.ts'
import { reportFailure } from './report-failure.ts'

const NAMES: readonly RunnableService[] = ['gateway', 'iam', 'crypto', 'kms', 'metadata', 'rotation', 'events']

export function serviceCommand(): Command {
  const command = new Command('service')
    .description('run one service of a mesh in this process; the services find each other over NATS')
    .addArgument(new Argument('<name>', 'which one').choices(NAMES))
  return addOptionFlags(command, optionNames()).action(async (name: RunnableService) => {
    const { runService } = await import('../service-process.ts')
    try {
      await runService(name, configurationValues(command))
    } catch (error) {
      reportFailure(error)
    }
    // What the NATS client was connecting to when it was closed it goes on connecting to: where a NATS server is gone without a word, as
    // when everything is stopped at once, the process would stay for minutes, until it is killed.
    process.exit()
  })
}
