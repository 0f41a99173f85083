/**
 * As much of the WebAssembly binary format as the sums need that Node has not, or has one at a time: instructions as bytes. Source: WebAssembly Core Specification,
 * release 2.0, section 5 ("Binary Format").
 */
export type Code = readonly number[]

const I32 = 0x7f
const I64 = 0x7e
const FUNCTION = 0x60
const EMPTY_BLOCK = 0x40
const END = 0x0b
const BRANCH_IF = 0x0d
const LAST_SEVEN_BITS = 0x7f
const MORE = 0x80
const SIGN = 0x40
const PAGE_BYTES = 65_536
/** Of words of 32 and 64 bits, as powers of two. */
const ALIGNMENT = 2
const ALIGNMENT_64 = 3

export const i32 = {
  add: [0x6a],
  sub: [0x6b],
  and: [0x71],
  or: [0x72],
  xor: [0x73],
  shiftLeft: [0x74],
  shiftRight: [0x76],
  rotateLeft: [0x77],
  /** The low half of a word of 64 bits. */
  wrap: [0xa7],
  const: (value: number): Code => [0x41, ...signed(value)],
  /** From the address on the stack plus an offset, bytes. */
  load: (offsetBytes: number): Code => [0x28, ALIGNMENT, ...unsigned(offsetBytes)],
  store: (offsetBytes: number): Code => [0x36, ALIGNMENT, ...unsigned(offsetBytes)],
} as const

export const i64 = {
  xor: [0x85],
  shiftRight: [0x88],
  /** Not negative, of 31 bits. */
  const: (value: number): Code => [0x42, ...signed(value)],
  load: (offsetBytes: number): Code => [0x29, ALIGNMENT_64, ...unsigned(offsetBytes)],
  load8: (offsetBytes: number): Code => [0x31, 0, ...unsigned(offsetBytes)],
  store: (offsetBytes: number): Code => [0x37, ALIGNMENT_64, ...unsigned(offsetBytes)],
} as const

export const getLocal = (index: number): Code => [0x20, ...unsigned(index)]
export const setLocal = (index: number): Code => [0x21, ...unsigned(index)]

/** Once more while `body` leaves a number that is not zero on the stack. */
export const loop = (body: Code): Code => [0x03, EMPTY_BLOCK, ...body, BRANCH_IF, 0, END]

/** Its parameters are of 32 bits; nothing is returned. */
export interface WasmFunction {
  readonly name: string
  readonly parameterCount: number
  /** Of 32 bits, numbered after the parameters. */
  readonly localCount: number
  /** Of 64 bits, numbered after those. */
  readonly localCount64?: number
  readonly body: Code
}

/** As much of it as is used here; TypeScript has its types only beside those of a browser. */
declare const WebAssembly:
  | {
      readonly Module: new (code: Uint8Array<ArrayBuffer>) => object
      readonly Instance: new (module: object) => { readonly exports: unknown }
    }
  | undefined

/** What the functions of `assemble` are, each by its name, and their memory. Undefined where there is no WebAssembly (`--jitless`). */
export function instantiate<Exports extends { readonly memory: { readonly buffer: ArrayBuffer } }>(
  functions: readonly WasmFunction[],
  memoryBytes: number,
): Exports | undefined {
  if (typeof WebAssembly === 'undefined') return undefined
  const code = assemble(functions, Math.ceil(memoryBytes / PAGE_BYTES))
  return new WebAssembly.Instance(new WebAssembly.Module(code)).exports as Exports
}

/** A module of these functions and a memory of so many pages of 64 KiB, exported as `memory`. */
function assemble(functions: readonly WasmFunction[], pageCount: number): Uint8Array<ArrayBuffer> {
  const parametersOf = ({ parameterCount }: WasmFunction) => vector(Array.from({ length: parameterCount }, () => [I32]))
  const localsOf = ({ localCount, localCount64 = 0 }: WasmFunction) =>
    vector([
      [...unsigned(localCount), I32],
      [...unsigned(localCount64), I64],
    ])
  const bodyOf = (of: WasmFunction) => sized([...localsOf(of), ...of.body, END])
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
