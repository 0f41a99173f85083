import { readFile } from 'node:fs/promises'
import { text } from 'node:stream/consumers'
import { cofferError } from '../errors.ts'

const CONTROL_C = '\u0003'
const CONTROL_D = '\u0004'
const BACKSPACES = ['\u007f', '\b']
const ENDS = ['\r', '\n', CONTROL_D]

/** From a file, from standard input (`-`), or from the person at the terminal, who sees nothing of it. COFFER_LOGIN_FAILED. */
export async function passwordFrom(path: string | undefined, prompt: string): Promise<string> {
  if (path === undefined) return await askPassword(prompt)
  const read = path === '-' ? text(process.stdin) : readFile(path, 'utf8')
  const written = await read.catch((cause: unknown) => {
    throw cofferError('COFFER_LOGIN_FAILED', `${path} cannot be read`, { path }, { cause })
  })
  return written.replace(/\r?\n$/, '')
}

async function askPassword(prompt: string): Promise<string> {
  const { stdin, stderr } = process
  if (!stdin.isTTY) throw cofferError('COFFER_LOGIN_FAILED', 'nobody is at a terminal: --password-file is needed')
  // From the first character on: whoever sees the prompt can type.
  stdin.setRawMode(true)
  stderr.write(prompt)
  stdin.setEncoding('utf8')
  try {
    const typed: string[] = []
    for await (const piece of stdin) {
      for (const character of String(piece)) {
        if (character === CONTROL_C) throw cofferError('COFFER_LOGIN_FAILED', 'interrupted')
        if (ENDS.includes(character)) return typed.join('')
        if (BACKSPACES.includes(character)) typed.pop()
        else typed.push(character)
      }
    }
    return typed.join('')
  } finally {
    stdin.setRawMode(false)
    stdin.pause()
    stderr.write('\n')
  }
}
