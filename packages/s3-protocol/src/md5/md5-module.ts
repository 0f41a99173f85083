import { type Code, getLocal, i32, instantiate, loop, setLocal, type WasmFunction } from '../wasm/wasm-code.ts'

export const BLOCK_BYTES = 64
/** The four words of a state. */
export const STATE_BYTES = 16
const STEP_COUNT = 64

/** RFC 1321, section 3.4: how far the steps of a round rotate, four by four. */
const ROTATIONS = [
  [7, 12, 17, 22],
  [5, 9, 14, 20],
  [4, 11, 16, 23],
  [6, 10, 15, 21],
] as const
/** RFC 1321, section 3.4: which word of its block a step takes, as factor and summand modulo 16. */
const WORD_ORDERS = [
  [1, 0],
  [5, 1],
  [3, 5],
  [7, 0],
] as const

/** RFC 1321, section 3.4: the integer part of 4294967296 times abs(sin(i)), i from 1. */
const sineOf = (step: number) => Math.floor(2 ** 32 * Math.abs(Math.sin(step + 1)))

/** Addresses in `memory`; `blockCount` is above zero. */
export interface Md5Module {
  readonly memory: { readonly buffer: ArrayBuffer }
  digestOne(state: number, blocks: number, blockCount: number): void
  /** Blocks of two messages. */
  digestTwo(state: number, blocks: number, otherState: number, otherBlocks: number, blockCount: number): void
}

/**
 * MD5 (RFC 1321) in WebAssembly, of one message and of two at once. Each of MD5's steps waits for the one before, so that one
 * message leaves most of a processor idle; a second one costs next to nothing more. OpenSSL digests one at a time. Undefined where there is no WebAssembly.
 */
export function instantiateMd5(memoryBytes: number): Md5Module | undefined {
  return instantiate([digestFunction('digestOne', 1), digestFunction('digestTwo', 2)], memoryBytes)
}

/** Numbers of locals. */
interface Message {
  readonly state: number
  readonly blocks: number
  readonly words: readonly number[]
  readonly wordsBefore: readonly number[]
}

/** Parameters: state and blocks of each message, then how many blocks; locals: eight words of each. */
function digestFunction(name: string, messageCount: number): WasmFunction {
  const blockCount = 2 * messageCount
  const four = (from: number) => [from, from + 1, from + 2, from + 3]
  const messages = Array.from({ length: messageCount }, (_, index): Message => {
    const firstWord = blockCount + 1 + index * 8
    return { state: 2 * index, blocks: 2 * index + 1, words: four(firstWord), wordsBefore: four(firstWord + 4) }
  })
  return {
    name,
    parameterCount: blockCount + 1,
    localCount: 8 * messageCount,
    body: [
      ...messages.flatMap(loadState),
      ...loop([
        // Step by step in turns: a processor looks only so far ahead for what does not wait.
        ...Array.from({ length: STEP_COUNT }, (_, step) =>
          messages.flatMap((message) => digestStep(message, step)),
        ).flat(),
        ...messages.flatMap(endBlock),
        ...[...getLocal(blockCount), ...i32.const(1), ...i32.sub, ...setLocal(blockCount)],
        ...getLocal(blockCount),
      ]),
      ...messages.flatMap(storeState),
    ],
  }
}

function loadState({ state, words, wordsBefore }: Message): Code {
  return words.flatMap((word, index) => [
    ...[...getLocal(state), ...i32.load(index * 4), ...setLocal(word)],
    ...[...getLocal(word), ...setLocal(wordsBefore[index] ?? 0)],
  ])
}

function storeState({ state, words }: Message): Code {
  return words.flatMap((word, index) => [...getLocal(state), ...getLocal(word), ...i32.store(index * 4)])
}

/** Adds the state before the block, which the result is for the next, and goes on to that. */
function endBlock({ blocks, words, wordsBefore }: Message): Code {
  const added = words.flatMap((word, index) => {
    const before = wordsBefore[index] ?? 0
    return [
      ...getLocal(word),
      ...getLocal(before),
      ...i32.add,
      ...setLocal(word),
      ...getLocal(word),
      ...setLocal(before),
    ]
  })
  return [...added, ...getLocal(blocks), ...i32.const(BLOCK_BYTES), ...i32.add, ...setLocal(blocks)]
}

/** a = b + ((a + f(b, c, d) + X[k] + T[i]) <<< s). What does not wait for `b`, the youngest, is added up first. */
function digestStep({ blocks, words }: Message, step: number): Code {
  const round = Math.floor(step / 16)
  const [factor, summand] = WORD_ORDERS[round] ?? [0, 0]
  // The names move on by one word each step.
  const word = (index: number) => words[(index + STEP_COUNT - step) % 4] ?? 0
  const [a, b, c, d] = [word(0), word(1), word(2), word(3)]
  return [
    ...getLocal(a),
    ...[...getLocal(blocks), ...i32.load(((step * factor + summand) % 16) * 4), ...i32.add],
    ...[...i32.const(sineOf(step)), ...i32.add],
    ...addRoundFunction(round, getLocal(b), getLocal(c), getLocal(d)),
    ...[...i32.const(ROTATIONS[round]?.[step % 4] ?? 0), ...i32.rotateLeft],
    ...[...getLocal(b), ...i32.add, ...setLocal(a)],
  ]
}

/** RFC 1321, section 3.4: F, G, H and I, in forms that are the same bit by bit and need `b` late. */
function addRoundFunction(round: number, b: Code, c: Code, d: Code): Code {
  const not = [...i32.const(-1), ...i32.xor]
  const { add, and, or, xor } = i32
  // (b and c) or (not b and d)
  if (round === 0) return [...c, ...d, ...xor, ...b, ...and, ...d, ...xor, ...add]
  // (b and d) or (c and not d): no bit is set in both, so that they may be added.
  if (round === 1) return [...d, ...not, ...c, ...and, ...add, ...b, ...d, ...and, ...add]
  if (round === 2) return [...c, ...d, ...xor, ...b, ...xor, ...add]
  return [...d, ...not, ...b, ...or, ...c, ...xor, ...add]
}
