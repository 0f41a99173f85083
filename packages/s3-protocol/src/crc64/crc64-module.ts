import { type Code, getLocal, i32, i64, instantiate, loop, setLocal, type WasmFunction } from '../wasm/wasm-code.ts'
import { zerosTable } from './crc64-tables.ts'

const WORD_BYTES = 8
const TABLE_BYTES = 256 * WORD_BYTES
/** Of each of the eight bytes of a word: what it makes of the sum of what follows. */
const TABLES_BYTES = WORD_BYTES * TABLE_BYTES
const LANE_COUNT = 3
/** Three of them are what a small object fills. */
const LANE_WORDS = 170
export const LANE_BYTES = LANE_WORDS * WORD_BYTES
/** What is summed in three lanes at a time. */
export const STRIPE_BYTES = LANE_COUNT * LANE_BYTES

/** The eight tables; the eight of a sum that is followed by a lane of zeros; the sum; what is summed. */
const WORD_TABLES = 0
const LANE_TABLES = TABLES_BYTES
export const SUM_ADDRESS = 2 * TABLES_BYTES
export const DATA_ADDRESS = SUM_ADDRESS + WORD_BYTES

/** From DATA_ADDRESS on, into the sum; counts are above zero. */
export interface Crc64Module {
  readonly memory: { readonly buffer: ArrayBuffer }
  stripes(address: number, count: number): void
  words(address: number, count: number): void
  bytes(address: number, count: number): void
}

/**
 * CRC-64/NVME in WebAssembly, eight bytes a step through eight tables, three lanes in turns: each step waits for the one before it in
 * its lane. The lanes' sums become one as if the earlier had been followed by zeros (zlib's crc32_combine does the same).
 */
export function instantiateCrc64(dataBytes: number): Crc64Module | undefined {
  const functions = [stripesFunction(), wordsFunction(), bytesFunction()]
  const module = instantiate<Crc64Module>(functions, DATA_ADDRESS + dataBytes)
  if (module === undefined) return undefined
  const tables = new DataView(module.memory.buffer)
  writeTables(tables, WORD_TABLES, WORD_BYTES)
  writeTables(tables, LANE_TABLES, LANE_BYTES)
  return module
}

/** For each byte of a word: what it is when the whole word is followed by so many zeros, less the word itself. */
function writeTables(memory: DataView, address: number, zeroBytes: number): void {
  for (let byte = 0; byte < WORD_BYTES; byte++) {
    for (const [value, sum] of zerosTable(byte, zeroBytes).entries()) {
      memory.setBigUint64(address + byte * TABLE_BYTES + value * WORD_BYTES, sum, true)
    }
  }
}

const [ADDRESS, COUNT] = [0, 1]

/** The word in `low` and `high`, looked up byte by byte. */
function lookUp(tables: number, low: number, high: number): Code {
  const halves = [low, high].flatMap((half, index) =>
    [0, 1, 2, 3].map((byte): Code => {
      const shift: Code =
        byte === 0 ? [...i32.const(3), ...i32.shiftLeft] : [...i32.const(byte * 8 - 3), ...i32.shiftRight]
      const entry = [...getLocal(half), ...shift, ...i32.const(0xff * WORD_BYTES), ...i32.and]
      return [...entry, ...i64.load(tables + (index * 4 + byte) * TABLE_BYTES)]
    }),
  )
  const [first = [], ...others] = halves
  return [...first, ...others.flatMap((other) => [...other, ...i64.xor])]
}

/** sum = the sum of a word, which is on the stack, XORed with the sum before. */
function step(tables: number, sum: number, low: number, high: number): Code {
  return [
    ...[...getLocal(sum), ...i64.xor, ...setLocal(sum)],
    ...[...getLocal(sum), ...i32.wrap, ...setLocal(low)],
    ...[...getLocal(sum), ...i64.const(32), ...i64.shiftRight, ...i32.wrap, ...setLocal(high)],
    ...[...lookUp(tables, low, high), ...setLocal(sum)],
  ]
}

const loadSum = (sum: number): Code => [...i32.const(SUM_ADDRESS), ...i64.load(0), ...setLocal(sum)]
const storeSum = (sum: number): Code => [...i32.const(SUM_ADDRESS), ...getLocal(sum), ...i64.store(0)]
const advance = (local: number, by: number): Code => [
  ...getLocal(local),
  ...i32.const(by),
  ...i32.add,
  ...setLocal(local),
]
const countDown = (local: number): Code => [...advance(local, -1), ...getLocal(local)]

function wordsFunction(): WasmFunction {
  const [low, high, sum] = [2, 3, 4]
  return {
    name: 'words',
    parameterCount: 2,
    localCount: 2,
    localCount64: 1,
    body: [
      ...loadSum(sum),
      ...loop([
        ...[...getLocal(ADDRESS), ...i64.load(0), ...step(WORD_TABLES, sum, low, high)],
        ...[...advance(ADDRESS, WORD_BYTES), ...countDown(COUNT)],
      ]),
      ...storeSum(sum),
    ],
  }
}

function bytesFunction(): WasmFunction {
  const [low, sum] = [2, 3]
  // The last of the eight tables is that of a byte alone.
  const table = WORD_TABLES + (WORD_BYTES - 1) * TABLE_BYTES
  return {
    name: 'bytes',
    parameterCount: 2,
    localCount: 1,
    localCount64: 1,
    body: [
      ...loadSum(sum),
      ...loop([
        ...[...getLocal(sum), ...getLocal(ADDRESS), ...i64.load8(0), ...i64.xor, ...i32.wrap],
        ...[...i32.const(0xff), ...i32.and, ...i32.const(3), ...i32.shiftLeft, ...setLocal(low)],
        ...[...getLocal(low), ...i64.load(table), ...getLocal(sum), ...i64.const(8), ...i64.shiftRight, ...i64.xor],
        ...[...setLocal(sum), ...advance(ADDRESS, 1), ...countDown(COUNT)],
      ]),
      ...storeSum(sum),
    ],
  }
}

function stripesFunction(): WasmFunction {
  const [wordsLeft, low, high, sum, second, third] = [2, 3, 4, 5, 6, 7]
  const none = (local: number): Code => [...i64.const(0), ...setLocal(local)]
  const ofLane = (lane: number, of: number) => [
    ...[...getLocal(ADDRESS), ...i64.load(lane * LANE_BYTES)],
    ...step(WORD_TABLES, of, low, high),
  ]
  return {
    name: 'stripes',
    parameterCount: 2,
    localCount: 3,
    localCount64: 3,
    body: [
      ...loadSum(sum),
      ...loop([
        ...[...none(second), ...none(third), ...i32.const(LANE_WORDS), ...setLocal(wordsLeft)],
        ...loop([
          ...[...ofLane(0, sum), ...ofLane(1, second), ...ofLane(2, third)],
          ...[...advance(ADDRESS, WORD_BYTES), ...countDown(wordsLeft)],
        ]),
        // The sum so far, followed by a lane of zeros, and the next lane's.
        ...[second, third].flatMap((next) => [
          ...[...i64.const(0), ...step(LANE_TABLES, sum, low, high)],
          ...[...getLocal(sum), ...getLocal(next), ...i64.xor, ...setLocal(sum)],
        ]),
        ...[...advance(ADDRESS, STRIPE_BYTES - LANE_BYTES), ...countDown(COUNT)],
      ]),
      ...storeSum(sum),
    ],
  }
}
