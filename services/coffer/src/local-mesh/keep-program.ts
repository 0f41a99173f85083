import { spawn } from 'node:child_process'

/**
 * Runs a program that knows nothing of us for as long as whoever started this process lives: `node keep-program.ts <program>
 * [argument...]`, with a channel. Its standard error is the program's.
 */
const [program = '', ...programArguments] = process.argv.slice(2)
const child = spawn(program, programArguments, { stdio: ['ignore', 'ignore', 'inherit'] })
child.once('error', () => process.exit(1))
child.once('exit', (code) => process.exit(code ?? 1))
process.on('disconnect', () => child.kill('SIGTERM'))
process.on('SIGTERM', () => child.kill('SIGTERM'))
