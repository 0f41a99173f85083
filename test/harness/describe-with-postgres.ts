import { describe } from 'vitest'
import { describeUnavailable } from './find-program.ts'
import { postgresPrograms } from './postgres-server.ts'

/** A suite on a real server: skipped by name where there is none, failed with CI=true. */
export function describeWithPostgres(title: string, suite: () => void): void {
  if (postgresPrograms() !== undefined) describe(title, suite)
  else describeUnavailable(title, 'PostgreSQL is not installed: apt-get install -y postgresql')
}
