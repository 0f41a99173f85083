import { existsSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { describe } from 'vitest'
import { describeUnavailable } from '../harness/find-program.ts'

/** The one command that provides them. */
const COMMAND = '.ci/python-clients'

/** The Python that has the clients of `test/clients/python/requirements.txt`: an environment of its own, as they pin each other. */
function findPython(): string | undefined {
  const cache = process.env.XDG_CACHE_HOME || join(homedir(), '.cache')
  const path = join(cache, 'coffer/python-clients/bin/python')
  return existsSync(path) ? path : undefined
}

/** A suite that needs that Python; skipped by name without it, failed with CI=true. */
export function describeWithPythonClients(title: string, suite: (python: string) => void): void {
  const python = findPython()
  if (python === undefined) describeUnavailable(title, `the Python clients are not installed: ${COMMAND}`)
  else describe(title, () => suite(python))
}
