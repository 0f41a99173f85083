import { createReadStream } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { lineHash, NO_PREVIOUS } from './chain.ts'
import { isCheckpointGenuine } from './checkpoint.ts'
import { auditError } from './errors.ts'
import type { ChainHead, SignedCheckpoint } from './record.ts'

/** What is wrong with a trail, at the first record that shows it. */
export interface TrailFault {
  readonly problem:
    | 'unreadable'
    | 'changed'
    | 'missing'
    | 'reordered'
    | 'signature'
    | 'truncated'
    | 'chain-missing'
    | 'beginning-missing'
  readonly chain: string
  /** The record that is not as it was, or not there. */
  readonly seq: number
  /** Where it shows; absent for what is not there at all. */
  readonly file?: string
  readonly line?: number
}

export interface ChainReport {
  readonly chain: string
  readonly records: number
  /** Ended by its writer; false: it still runs, or was killed. */
  readonly closed: boolean
  /** Records after the last signature. */
  readonly unsigned: number
  /** Requests that were counted instead of recorded. */
  readonly dropped: number
}

export interface TrailReport {
  readonly records: number
  readonly files: number
  readonly chains: readonly ChainReport[]
  readonly fault?: TrailFault
}

export interface VerifyOptions {
  /** PEM. */
  readonly publicKey: string
  /** How far each chain is known to have come. */
  readonly heads: readonly ChainHead[]
  /** Older files, or whole chains, may have been moved elsewhere. */
  readonly partial: boolean
}

interface ChainState {
  seq: number
  hash: string
  records: number
  signedSeq: number
  closed: boolean
  dropped: number
  /** Hashes since the last checkpoint that was checked, by number: what the next one speaks for. */
  readonly recent: Map<number, string>
}

class Fault extends Error {
  readonly fault: TrailFault

  constructor(fault: TrailFault) {
    super(fault.problem)
    this.fault = fault
  }
}

const LINE_FEED = 0x0a
/** A record is a few hundred bytes; the longest key, escaped, makes it some thousands. */
const LINE_BYTES_MAX = 1024 * 1024

interface Line {
  readonly text: string
  readonly file: string
  readonly line: number
}

/** Reads all `.jsonl` files of a directory in the order of their names. AUDIT_TRAIL_UNREADABLE: there is no such directory. */
export async function verifyTrail(directory: string, options: VerifyOptions): Promise<TrailReport> {
  const names = await readdir(directory).catch((cause: unknown) => {
    throw auditError('AUDIT_TRAIL_UNREADABLE', { directory }, { cause })
  })
  const files = names.filter((name) => name.endsWith('.jsonl')).sort()
  const chains = new Map<string, ChainState>()
  const heads = new Map(options.heads.map((head) => [head.chain, head]))
  let fault: TrailFault | undefined
  try {
    for (const file of files) {
      for await (const line of linesOf(directory, file)) follow(chains, heads, line, options)
    }
    for (const head of options.heads) assertReached(chains.get(head.chain), head, options.partial)
  } catch (error) {
    if (!(error instanceof Fault)) throw error
    fault = error.fault
  }
  const reports = [...chains].map(([chain, state]) => ({
    chain,
    records: state.records,
    closed: state.closed,
    unsigned: state.seq - state.signedSeq,
    dropped: state.dropped,
  }))
  const records = reports.reduce((sum, report) => sum + report.records, 0)
  return { records, files: files.length, chains: reports, ...(fault && { fault }) }
}

/** Ended by line feeds alone: a key may hold what other readers of lines take for an end. */
async function* linesOf(directory: string, file: string): AsyncGenerator<Line> {
  let line = 0
  let rest: Buffer = Buffer.alloc(0)
  for await (const chunk of createReadStream(join(directory, file)) as AsyncIterable<Buffer>) {
    const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
    let start = 0
    for (let end = bytes.indexOf(LINE_FEED); end !== -1; end = bytes.indexOf(LINE_FEED, start)) {
      line += 1
      yield { text: bytes.toString('utf8', start, end), file, line }
      start = end + 1
    }
    rest = bytes.subarray(start)
    if (rest.length > LINE_BYTES_MAX)
      throw new Fault({ problem: 'unreadable', chain: '', seq: 0, file, line: line + 1 })
  }
  // A writer that was killed may have left half a line at the end of its last file.
  if (rest.length > 0) yield { text: rest.toString('utf8'), file, line: line + 1 }
}

interface ReadRecord {
  readonly chain: string
  readonly seq: number
  readonly prev: string
  readonly kind: string
  readonly dropped?: number
}

function follow(
  chains: Map<string, ChainState>,
  heads: ReadonlyMap<string, ChainHead>,
  line: Line,
  { publicKey, partial }: VerifyOptions,
): void {
  const { file, line: number } = line
  const record = readRecord(line)
  const { chain, seq, prev } = record
  const fault = (problem: TrailFault['problem'], at = seq) => new Fault({ problem, chain, seq: at, file, line: number })
  let state = chains.get(chain)
  if (state === undefined) {
    if (seq !== 1 && !partial) throw fault('beginning-missing', 1)
    state = newState(seq - 1, seq === 1 ? NO_PREVIOUS : prev)
    chains.set(chain, state)
  }
  if (seq <= state.seq) throw fault('reordered')
  if (seq > state.seq + 1) throw fault('missing', state.seq + 1)
  // What does not fit may be this one or the one before; that which was changed is the one that the hash was made of.
  if (prev !== state.hash) throw fault('changed', state.records === 0 ? seq : seq - 1)
  if (state.closed && record.kind !== 'checkpoint') throw fault('changed')
  const hash = lineHash(line.text)
  const head = heads.get(chain)
  if (head?.seq === seq && head.hash !== hash) throw fault('changed')
  if (record.kind === 'checkpoint') {
    checkCheckpoint(state, chain, record as unknown as SignedCheckpoint, publicKey, fault)
  }
  state.seq = seq
  state.hash = hash
  state.records += 1
  state.recent.set(seq, hash)
  if (record.kind === 'checkpoint' && state.signedSeq === seq - 1) state.signedSeq = seq
  if (record.kind === 'close') state.closed = true
  if (record.kind === 'gap') state.dropped += record.dropped ?? 0
}

function checkCheckpoint(
  state: ChainState,
  chain: string,
  checkpoint: SignedCheckpoint,
  publicKey: string,
  fault: (problem: TrailFault['problem']) => Fault,
): void {
  const { upTo } = checkpoint
  if (upTo?.chain !== chain || !isSignedBy(checkpoint, publicKey)) throw fault('signature')
  const known = state.recent.get(upTo.seq)
  // Before the first record that is here: only the signature can be checked.
  const isBefore = upTo.seq <= state.seq - state.records
  if (!isBefore && known !== upTo.hash) throw fault('signature')
  for (const seq of state.recent.keys()) {
    if (seq > upTo.seq) break
    state.recent.delete(seq)
  }
  state.signedSeq = Math.max(state.signedSeq, upTo.seq)
}

function isSignedBy(checkpoint: SignedCheckpoint, publicKey: string): boolean {
  try {
    return isCheckpointGenuine(checkpoint, publicKey)
  } catch {
    // Not the shape of a checkpoint.
    return false
  }
}

function readRecord({ text, file, line }: Line): ReadRecord {
  try {
    const record = JSON.parse(text) as Partial<ReadRecord>
    const { chain, seq, prev, kind } = record
    if (
      typeof chain === 'string' &&
      Number.isSafeInteger(seq) &&
      typeof prev === 'string' &&
      typeof kind === 'string'
    ) {
      return record as ReadRecord
    }
  } catch {
    // Told of below.
  }
  throw new Fault({ problem: 'unreadable', chain: '', seq: 0, file, line })
}

function assertReached(state: ChainState | undefined, { chain, seq }: ChainHead, partial: boolean): void {
  if (state === undefined) {
    if (partial) return
    throw new Fault({ problem: 'chain-missing', chain, seq: 1 })
  }
  if (state.seq < seq) throw new Fault({ problem: 'truncated', chain, seq: state.seq + 1 })
}

function newState(seq: number, hash: string): ChainState {
  return { seq, hash, records: 0, signedSeq: seq, closed: false, dropped: 0, recent: new Map() }
}
