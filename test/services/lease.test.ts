import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'

/** Long against what a busy machine keeps a process waiting: a holder that can't renew in time has lost it. */
const LEASE_MS = 5_000
const PATIENCE = { timeout: 60_000, interval: 20 }

let directory: string
let children: ChildProcess[]
let log: string[]
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'coffer-lease-'))
  children = []
  log = []
})
afterEach(async () => {
  for (const child of children) {
    if (child.exitCode !== null || child.signalCode !== null) continue
    child.kill('SIGKILL')
    await once(child, 'exit')
  }
  await rm(directory, { recursive: true })
})

function contend(name: string): ChildProcess {
  const child = fork(join(import.meta.dirname, 'lease-process.ts'), [directory, String(LEASE_MS)])
  child.on('message', (word) => log.push(`${name} ${word}`))
  children.push(child)
  return child
}

it('a lease of a process that is killed goes to another, and one that was frozen finds that it has lost it', async () => {
  const first = contend('a')
  await vi.waitFor(() => expect(log).toEqual(['a held']), PATIENCE)
  const second = contend('b')
  await sleep(1.2 * LEASE_MS)
  expect(log).toEqual(['a held'])
  first.kill('SIGKILL')
  await vi.waitFor(() => expect(log).toEqual(['a held', 'b held']), PATIENCE)
  contend('c')
  await sleep(LEASE_MS / 2)
  second.send('freeze')
  await vi.waitFor(() => expect(log).toEqual(['a held', 'b held', 'c held']), PATIENCE)
  second.kill('SIGCONT')
  await vi.waitFor(() => expect(log).toEqual(['a held', 'b held', 'c held', 'b lost']), PATIENCE)
  await sleep(LEASE_MS / 2)
  expect(log).toHaveLength(4)
})
