import { Command } from 'commander'
import { accountCommand } from './cli/account-command.ts'
import { adoptCommand } from './cli/adopt-command.ts'
import { auditCommand } from './cli/audit-command.ts'
import { benchCommand } from './cli/bench-command.ts'
import { bucketCommand } from './cli/bucket-command.ts'
import { configCommand } from './cli/config-command.ts'
import { customerKeyCommand } from './cli/customer-key-command.ts'
import { doctorCommand } from './cli/doctor-command.ts'
import { eventsCommand } from './cli/events-command.ts'
import { iamCommand } from './cli/iam-command.ts'
import { jobCommand } from './cli/job-command.ts'
import { keyCommand } from './cli/key-command.ts'
import { lifecycleCommand } from './cli/lifecycle-command.ts'
import { loginCommand } from './cli/login-command.ts'
import { logoutCommand } from './cli/logout-command.ts'
import { lsCommand } from './cli/ls-command.ts'
import { meshCommand } from './cli/mesh-command.ts'
import { meshKeyCommand } from './cli/mesh-key-command.ts'
import { migrateCommand } from './cli/migrate-command.ts'
import { replicationCommand } from './cli/replication-command.ts'
import { reportFailure } from './cli/report-failure.ts'
import { rootKeyCommand } from './cli/root-key-command.ts'
import { scrubCommand } from './cli/scrub-command.ts'
import { serverCommand } from './cli/server-command.ts'
import { serviceCommand } from './cli/service-command.ts'
import { statusCommand } from './cli/status-command.ts'
import { countBuffersInHeapLimit } from './heap.ts'

/** The command line of Coffer. Sets the process's exit code; never rejects. */
export async function main(processArguments: readonly string[]): Promise<void> {
  countBuffersInHeapLimit()
  const program = new Command('coffer')
    .description('S3-compatible object store that encrypts everything it keeps')
    .addCommand(serverCommand(), { isDefault: false })
    .addCommand(serviceCommand())
    .addCommand(statusCommand())
    .addCommand(accountCommand())
    .addCommand(bucketCommand())
    .addCommand(lsCommand())
    .addCommand(iamCommand())
    .addCommand(keyCommand())
    .addCommand(jobCommand())
    .addCommand(adoptCommand())
    .addCommand(auditCommand())
    .addCommand(eventsCommand())
    .addCommand(replicationCommand())
    .addCommand(customerKeyCommand())
    .addCommand(loginCommand())
    .addCommand(logoutCommand())
    .addCommand(rootKeyCommand())
    .addCommand(scrubCommand())
    .addCommand(migrateCommand())
    .addCommand(lifecycleCommand())
    .addCommand(configCommand())
    .addCommand(doctorCommand())
    .addCommand(meshCommand())
    .addCommand(meshKeyCommand())
    .addCommand(benchCommand())
    .showSuggestionAfterError()
  try {
    await program.parseAsync(processArguments)
  } catch (error) {
    reportFailure(error)
  }
}
