import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll } from 'vitest'
import { processesOf } from './left-processes.ts'

/**
 * Runs before each test file: gives it a temporary directory of its own, which is removed after its last hook, and fails it when a process
 * that it started is still there then.
 */

/** What was told to end has this long. */
const PATIENCE_MS = 30_000
const LOOK_MS = 20

const directory = mkdtempSync(join(tmpdir(), 'coffer-test-'))
// As /tmp: PostgreSQL runs as another user.
chmodSync(directory, 0o1777)
process.env.TMPDIR = directory

// The first one that is registered, so the last one to run.
afterAll(async () => {
  const deadline = Date.now() + PATIENCE_MS
  while (processesOf(directory).length > 0 && Date.now() < deadline) await sleep(LOOK_MS)
  const left = processesOf(directory)
  for (const { pid } of left) end(pid)
  rmSync(directory, { recursive: true, force: true, maxRetries: 5 })
  if (left.length > 0) {
    throw new Error(`left running:\n${left.map(({ pid, command }) => `${pid} ${command}`).join('\n')}`)
  }
})

function end(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It has ended.
  }
}
