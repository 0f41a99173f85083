import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ChainHead, TrailReport } from '@coffer/audit'
import type { KmsService } from '@coffer/contracts'
import { Command } from 'commander'
import { addOptionFlags, configurationValues, MESH_OPTIONS, STORE_OPTIONS } from './option-flags.ts'
import { print, printJson } from './print.ts'
import { withStore } from './with-store.ts'

const PAGE = 500
/** A running server has signed what is on its way to the file: so long a tail that is not there is not yet missing. */
const SETTLE_MS = 1_000
const ATTEMPTS_MAX = 3

interface VerifyFlags {
  readonly directory?: string
  readonly publicKeyFile?: string
  readonly headsFile?: string
  readonly partial?: boolean
  readonly json?: boolean
}

interface Witness {
  readonly publicKey: string
  readonly heads: readonly ChainHead[]
}

export function auditCommand(): Command {
  return new Command('audit')
    .description('the audit trail: whether it is whole, and what proves that elsewhere')
    .addCommand(verifyCommand())
    .addCommand(publicKeyCommand())
    .addCommand(headsCommand())
}

function verifyCommand(): Command {
  const command = new Command('verify')
    .description('find the first record that was changed, removed, moved or cut off; exit code 1 if there is one')
    .option('--directory <path>', 'the files of the trail (default: audit in the data directory)')
    .option('--public-key-file <path>', 'the public key as it was exported; the store is then not opened')
    .option('--heads-file <path>', 'how far each chain had come, as `coffer audit heads` told it')
    .option('--partial', 'older files, or those of whole processes, have been moved elsewhere')
    .option('--json', 'print JSON')
  addOptionFlags(command, [...STORE_OPTIONS, ...MESH_OPTIONS])
  return command.action(async (flags: VerifyFlags) => {
    const { dataDir } = configurationValues(command)
    const directory = flags.directory ?? resolve(dataDir, 'audit')
    const witness = flags.publicKeyFile === undefined ? await askStore(command) : await readWitness(flags.publicKeyFile)
    const heads = flags.headsFile === undefined ? witness.heads : await readHeads(flags.headsFile)
    const report = await verify(directory, { ...witness, heads }, flags.partial === true)
    if (flags.json) printJson(report)
    else print(render(report))
    if (report.fault !== undefined) process.exitCode = 1
  })
}

function publicKeyCommand(): Command {
  const command = new Command('public-key').description(
    'print the public key that signatures of the trail are checked with; keep it outside of this machine',
  )
  addOptionFlags(command, [...STORE_OPTIONS, ...MESH_OPTIONS])
  return command.action(async () => print((await askStore(command)).publicKey.trimEnd()))
}

function headsCommand(): Command {
  const command = new Command('heads').description(
    'print how far each chain has come, as JSON; kept elsewhere, it finds out a store that was put back',
  )
  addOptionFlags(command, [...STORE_OPTIONS, ...MESH_OPTIONS])
  return command.action(async () => printJson((await askStore(command)).heads))
}

async function askStore(command: Command): Promise<Witness> {
  let witness: Witness | undefined
  await withStore(command, async (mesh) => {
    const kms = mesh.use('kms')
    witness = { publicKey: await kms.auditPublicKey(), heads: await allHeads(kms) }
  })
  return witness as Witness
}

async function allHeads(kms: Pick<KmsService, 'listAuditHeads'>): Promise<readonly ChainHead[]> {
  const heads: ChainHead[] = []
  for (let afterChain = ''; ; ) {
    const page = await kms.listAuditHeads({ afterChain, limit: PAGE })
    heads.push(...page)
    const last = page.at(-1)
    if (last === undefined || page.length < PAGE) return heads
    afterChain = last.chain
  }
}

async function readWitness(publicKeyFile: string): Promise<Witness> {
  return { publicKey: await readFile(publicKeyFile, 'utf8'), heads: [] }
}

async function readHeads(path: string): Promise<readonly ChainHead[]> {
  return JSON.parse(await readFile(path, 'utf8')) as readonly ChainHead[]
}

async function verify(directory: string, witness: Witness, partial: boolean): Promise<TrailReport> {
  const { verifyTrail } = await import('@coffer/audit')
  for (let attempt = 1; ; attempt++) {
    const report = await verifyTrail(directory, { ...witness, partial })
    const mayYetCome = report.fault?.problem === 'truncated' || report.fault?.problem === 'chain-missing'
    if (!mayYetCome || attempt === ATTEMPTS_MAX) return report
    await sleep(SETTLE_MS)
  }
}

const PROBLEMS: Readonly<Record<NonNullable<TrailReport['fault']>['problem'], string>> = {
  unreadable: 'is no record',
  changed: 'is not as it was written',
  missing: 'is missing',
  reordered: 'is not in its place',
  signature: 'carries a signature that is not genuine',
  truncated: 'is missing, with all that came after it in this chain',
  'chain-missing': 'is missing, with all of its chain',
  'beginning-missing': 'is missing, with all up to the first one here (moved elsewhere? then say --partial)',
}

function render({ records, files, chains, fault }: TrailReport): string {
  const unsigned = chains.reduce((sum, chain) => sum + chain.unsigned, 0)
  const open = chains.filter(({ closed }) => !closed).length
  const dropped = chains.reduce((sum, chain) => sum + chain.dropped, 0)
  const lines = [`${records} records of ${chains.length} chains in ${files} files`]
  if (open > 0) lines.push(`${open} chains are not closed: their processes run, or were killed`)
  if (unsigned > 0) lines.push(`${unsigned} records at the ends of chains are not signed yet`)
  if (dropped > 0) lines.push(`${dropped} requests were counted and not recorded: a target had stalled`)
  if (fault === undefined) return [...lines, 'The trail is whole.'].join('\n')
  const where = fault.file === undefined ? '' : ` (${fault.file}, line ${fault.line})`
  return [...lines, `Record ${fault.seq} of chain ${fault.chain || '?'} ${PROBLEMS[fault.problem]}${where}.`].join('\n')
}
