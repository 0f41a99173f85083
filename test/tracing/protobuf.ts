/** A message of Protocol Buffers as it is on the wire: the values of each field, by number; bytes are not looked into. */
export class WireMessage {
  readonly #fields = new Map<number, (bigint | Buffer)[]>()

  /** Source: protobuf.dev, "Encoding". Throws at what is no message. */
  constructor(bytes: Buffer) {
    let at = 0
    const varint = (): bigint => {
      let value = 0n
      for (let shift = 0n; ; shift += 7n) {
        const byte = bytes[at++]
        if (byte === undefined || shift > 63n) throw new Error('a varint that does not end')
        value |= BigInt(byte & 0x7f) << shift
        if (byte < 0x80) return value
      }
    }
    const take = (length: number): Buffer => {
      if (at + length > bytes.length) throw new Error('a field longer than its message')
      at += length
      return bytes.subarray(at - length, at)
    }
    while (at < bytes.length) {
      const tag = Number(varint())
      const type = tag & 7
      const value = type === 0 ? varint() : take(type === 1 ? 8 : type === 5 ? 4 : Number(varint()))
      const field = tag >> 3
      this.#fields.set(field, [...(this.#fields.get(field) ?? []), value])
    }
  }

  messages(field: number): WireMessage[] {
    return this.#values(field).map((value) => new WireMessage(value as Buffer))
  }

  message(field: number): WireMessage {
    return this.messages(field)[0] ?? new WireMessage(Buffer.alloc(0))
  }

  has(field: number): boolean {
    return this.#fields.has(field)
  }

  text(field: number): string {
    return this.#bytes(field).toString('utf8')
  }

  hex(field: number): string {
    return this.#bytes(field).toString('hex')
  }

  /** A varint, or a fixed64. */
  number(field: number): number {
    const value = this.#values(field).at(-1) ?? 0n
    return Number(Buffer.isBuffer(value) ? value.readBigUInt64LE() : value)
  }

  #values(field: number): (bigint | Buffer)[] {
    return this.#fields.get(field) ?? []
  }

  #bytes(field: number): Buffer {
    return (this.#values(field).at(-1) as Buffer | undefined) ?? Buffer.alloc(0)
  }
}
