import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { processesOf } from '../harness/left-processes.ts'
import { REPOSITORY } from '../harness/start-server.ts'

describe('test files that run side by side', () => {
  let children: ChildProcess[] = []
  const start = (code: string, options: { cwd?: string; env?: NodeJS.ProcessEnv } = {}): ChildProcess => {
    const child = spawn(process.execPath, ['-e', code], {
      cwd: REPOSITORY,
      stdio: ['pipe', 'pipe', 'inherit'],
      ...options,
    })
    children.push(child)
    return child
  }
  const linesOf = async (child: ChildProcess): Promise<string> => String((await once(child.stdout ?? child, 'data'))[0])
  afterEach(async () => {
    for (const child of children) child.kill('SIGKILL')
    await Promise.all(children.map((child) => child.signalCode ?? once(child, 'exit')))
    children = []
  })

  it('are never given the same port', async () => {
    const code = `
      const { freePort } = await import(${JSON.stringify(join(REPOSITORY, 'test/harness/free-port.ts'))})
      const ports = []
      while (ports.length < 300) ports.push(await freePort())
      console.log(JSON.stringify(ports))
      process.stdin.resume()`
    const given = await Promise.all([1, 2, 3].map(async () => JSON.parse(await linesOf(start(code))) as number[]))
    expect(new Set(given.flat()).size).toBe(900)
  })

  it.each([
    ['in its environment', (directory: string) => ({ env: { TMPDIR: directory } })],
    ['as where it works', (directory: string) => ({ env: {}, cwd: directory })],
  ])('are told of a process that they left, which has their directory %s', async (_, optionsFor) => {
    const directory = mkdtempSync(join(tmpdir(), 'of-a-file-'))
    const child = start('console.log("up"); process.stdin.resume()', optionsFor(directory))
    await linesOf(child)
    expect(processesOf(directory)).toEqual([{ pid: child.pid, command: expect.stringContaining('console.log("up")') }])
    expect(processesOf(`${directory}x`)).toEqual([])
    child.kill('SIGKILL')
    await once(child, 'exit')
    expect(processesOf(directory)).toEqual([])
  })
})
