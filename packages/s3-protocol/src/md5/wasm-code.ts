/**
 * As much of the WebAssembly binary format as md5-module.ts needs: instructions as bytes. Source: WebAssembly Core Specification,
 * release 2.0, section 5 ("Binary Format").
 */
export type Code = readonly number[]

const I32 = 0x7f
const FUNCTION = 0x60
const EMPTY_BLOCK = 0x40
const END = 0x0b
const BRANCH_IF = 0x0d
const LAST_SEVEN_BITS = 0x7f
const MORE = 0x80
const SIGN = 0x40
/** Of a word of 32 bits, as a power of two. */
const ALIGNMENT = 2

export const i32 = {
  add: [0x6a],
  sub: [0x6b],
  and: [0x71],
  or: [0x72],
  xor: [0x73],
  rotateLeft: [0x77],
  const: (value: number): Code => [0x41, ...signed(value)],
  /** From the address on the stack plus an offset, bytes. */
  load: (offsetBytes: number): Code => [0x28, ALIGNMENT, ...unsigned(offsetBytes)],
  store: (offsetBytes: number): Code => [0x36, ALIGNMENT, ...unsigned(offsetBytes)],
} as const

export const getLocal = (index: number): Code => [0x20, ...unsigned(index)]
export const setLocal = (index: number): Code => [0x21, ...unsigned(index)]

/** Once more while `body` leaves a number that is not zero on the stack. */
export const loop = (body: Code): Code => [0x03, EMPTY_BLOCK, ...body, BRANCH_IF, 0, END]

/** Of 32-bit parameters and locals; nothing is returned. */
export interface WasmFunction {
  readonly name: string
  readonly parameterCount: number
  /** Beside the parameters, numbered after them. */
  readonly localCount: number
  readonly body: Code
}

/** A module of these functions and a memory of so many pages of 64 KiB, exported as `memory`. */
export function assemble(functions: readonly WasmFunction[], pageCount: number): Uint8Array<ArrayBuffer> {
  const parametersOf = ({ parameterCount }: WasmFunction) => vector(Array.from({ length: parameterCount }, () => [I32]))
  const bodyOf = ({ localCount, body }: WasmFunction) =>
    sized([...vector([[...unsigned(localCount), I32]]), ...body, END])
  const exports = functions.map(({ name }, index) => [...text(name), 0, ...unsigned(index)])
  return Uint8Array.from([
    ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, vector(functions.map((of) => [FUNCTION, ...parametersOf(of), 0]))),
    ...section(3, vector(functions.map((_, index) => unsigned(index)))),
    ...section(5, vector([[1, ...unsigned(pageCount), ...unsigned(pageCount)]])),
    ...section(7, vector([...exports, [...text('memory'), 2, 0]])),
    ...section(10, vector(functions.map(bodyOf))),
  ])
}

const section = (id: number, content: Code): Code => [id, ...sized(content)]
const sized = (content: Code): Code => [...unsigned(content.length), ...content]
const vector = (items: readonly Code[]): Code => [...unsigned(items.length), ...items.flat()]
const text = (value: string): Code => sized([...Buffer.from(value)])

/** LEB128 (section 5.2.2). */
function unsigned(value: number): Code {
  const low = value & LAST_SEVEN_BITS
  const left = value >>> 7
  return left === 0 ? [low] : [low | MORE, ...unsigned(left)]
}

function signed(value: number): Code {
  const low = value & LAST_SEVEN_BITS
  const left = value >> 7
  const isLast = left === ((low & SIGN) === 0 ? 0 : -1)
  return isLast ? [low] : [low | MORE, ...signed(left)]
}
