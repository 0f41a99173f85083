import { readdirSync, readFileSync, readlinkSync } from 'node:fs'

export interface LeftProcess {
  readonly pid: number
  readonly command: string
}

/**
 * The processes that have this temporary directory in their environment (TMPDIR) or work in it, except this one: whatever became of those
 * that started them. Of Linux; elsewhere none is found.
 */
export function processesOf(temporaryDirectory: string): LeftProcess[] {
  let names: string[] = []
  try {
    names = readdirSync('/proc')
  } catch {
    // Not Linux.
  }
  const pids = names.map(Number).filter((pid) => pid > 0 && pid !== process.pid)
  return pids.filter((pid) => belongs(pid, temporaryDirectory)).map((pid) => ({ pid, command: commandOf(pid) }))
}

function belongs(pid: number, path: string): boolean {
  try {
    if (readFileSync(`/proc/${pid}/environ`, 'latin1').split('\0').includes(`TMPDIR=${path}`)) return true
    return `${readlinkSync(`/proc/${pid}/cwd`)}/`.startsWith(`${path}/`)
  } catch {
    // It has ended, or is another user's.
    return false
  }
}

function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim()
  } catch {
    return '(ended)'
  }
}
