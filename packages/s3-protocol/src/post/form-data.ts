import { s3Error } from '../errors.ts'

/** S3 API, "POST Object": form data before the file. */
const FIELDS_BYTES_MAX = 20 * 1024
const FIELDS_MAX = 100
const FIELD_HEADERS_BYTES_MAX = 4096
/** What may come after the file: fields that are ignored, the closing delimiter, an epilogue. */
const AFTER_FILE_BYTES_MAX = 20 * 1024
const CRLF = Buffer.from('\r\n')
const BLANK_LINE = Buffer.from('\r\n\r\n')

/** The fields of a form before its file, by lower-case name, and the name that the file has on its owner's machine. */
export interface FormFields {
  readonly fields: ReadonlyMap<string, string>
  readonly fileName: string
}

/** The boundary of a multipart/form-data body (RFC 2046, section 5.1.1). PreconditionFailed, MalformedPOSTRequest. */
export function parseFormBoundary(contentType: string | undefined): string {
  if (!/^multipart\/form-data\s*(;|$)/i.test(contentType ?? '')) {
    throw s3Error('PreconditionFailed', {
      message: 'Bucket POST must be of the enclosure-type multipart/form-data',
      details: { Condition: 'Bucket POST must be of the enclosure-type multipart/form-data' },
    })
  }
  const [, quoted, bare] = /;\s*boundary=(?:"([^"]{1,70})"|([^\s;"]{1,70})(?=[\s;]|$))/i.exec(contentType ?? '') ?? []
  const boundary = quoted ?? bare
  if (boundary === undefined) throw s3Error('MalformedPOSTRequest')
  return boundary
}

/**
 * Reads a multipart/form-data body (RFC 7578) as S3 has it: fields, then the file (a field of the name `file`), then fields
 * that are ignored. The file comes in pieces; it is whole only when its delimiter was seen.
 */
export class FormDataReader {
  readonly #source: AsyncIterator<Uint8Array>
  readonly #delimiter: Buffer
  /** Read, and not yet used. It begins with the line end that the first delimiter may lack. */
  #held: Buffer = CRLF
  #fieldsBytes = 0

  constructor(source: AsyncIterator<Uint8Array>, boundary: string) {
    this.#source = source
    this.#delimiter = Buffer.from(`\r\n--${boundary}`, 'latin1')
  }

  /** InvalidArgument where there is no file, MaxPostPreDataLengthExceededError, MalformedPOSTRequest. */
  async readFields(): Promise<FormFields> {
    await this.#readUntil(this.#delimiter)
    const fields = new Map<string, string>()
    while (await this.#hasNextPart()) {
      const { name, fileName } = parsePartHeaders(await this.#readUntil(BLANK_LINE, FIELD_HEADERS_BYTES_MAX))
      if (name === 'file') return { fields, fileName }
      // Two values of a name could mean one thing to the policy and another to the write.
      if (fields.has(name) || fields.size >= FIELDS_MAX) throw s3Error('MalformedPOSTRequest')
      fields.set(name, utf8(await this.#readUntil(this.#delimiter)))
    }
    throw s3Error('InvalidArgument', {
      message: 'POST requires exactly one file upload per request.',
      details: { ArgumentName: 'file', ArgumentValue: '0' },
    })
  }

  /** The file's bytes, after `readFields`. MalformedPOSTRequest if the body ends before the file does. */
  async *file(): AsyncGenerator<Buffer, void> {
    for (;;) {
      const end = this.#held.indexOf(this.#delimiter)
      const safe = end === -1 ? Math.max(0, this.#held.length - this.#delimiter.length + 1) : end
      if (safe > 0) yield this.#held.subarray(0, safe)
      this.#held = this.#held.subarray(safe)
      if (end !== -1) return this.#skipRest()
      if (!(await this.#readMore())) throw s3Error('MalformedPOSTRequest')
    }
  }

  /** No more will be read. */
  async close(): Promise<void> {
    await this.#source.return?.()
  }

  async #skipRest(): Promise<void> {
    let bytes = this.#held.length
    this.#held = Buffer.alloc(0)
    while (await this.#readMore()) {
      bytes += this.#held.length
      this.#held = Buffer.alloc(0)
      if (bytes > AFTER_FILE_BYTES_MAX) throw s3Error('MalformedPOSTRequest')
    }
  }

  /** After a delimiter: a line end and a part, or the dashes that close the form. */
  async #hasNextPart(): Promise<boolean> {
    const line = await this.#readUntil(CRLF, FIELD_HEADERS_BYTES_MAX)
    const text = line.toString('latin1').trim()
    if (text !== '' && text !== '--') throw s3Error('MalformedPOSTRequest')
    // A part may have no headers but needs a blank line: it is looked for from the line end on.
    if (text === '') this.#held = Buffer.concat([CRLF, this.#held])
    return text === ''
  }

  /** The bytes before the next `mark`, which is used up. */
  async #readUntil(mark: Buffer, sizeBytesMax = FIELDS_BYTES_MAX): Promise<Buffer> {
    for (;;) {
      const at = this.#held.indexOf(mark)
      const heldBytes = at === -1 ? this.#held.length : at
      if (this.#fieldsBytes + heldBytes > FIELDS_BYTES_MAX) throw s3Error('MaxPostPreDataLengthExceededError')
      if (heldBytes > sizeBytesMax) throw s3Error('MalformedPOSTRequest')
      if (at !== -1) {
        const found = this.#held.subarray(0, at)
        this.#held = this.#held.subarray(at + mark.length)
        this.#fieldsBytes += at + mark.length
        return found
      }
      if (!(await this.#readMore())) throw s3Error('MalformedPOSTRequest')
    }
  }

  async #readMore(): Promise<boolean> {
    const { done, value } = await this.#source.next()
    if (done) return false
    const read = Buffer.from(value.buffer, value.byteOffset, value.length)
    this.#held = this.#held.length === 0 ? read : Buffer.concat([this.#held, read])
    return true
  }
}

/** Content-Disposition of a part (RFC 7578, section 4.2); browsers write `"` in names as %22. */
function parsePartHeaders(bytes: Buffer): { name: string; fileName: string } {
  const [, parameters = ''] = /(?:^|\r\n)content-disposition:[ \t]*form-data([^\r\n]*)/i.exec(utf8(bytes)) ?? []
  const name = parameterOf(parameters, 'name')
  if (name === undefined || name === '') throw s3Error('MalformedPOSTRequest')
  return { name: name.toLowerCase(), fileName: baseName(parameterOf(parameters, 'filename') ?? '') }
}

function parameterOf(parameters: string, wanted: 'name' | 'filename'): string | undefined {
  const [, quoted, bare] = new RegExp(`;[ \\t]*${wanted}=(?:"([^"]*)"|([^\\s;"]+))`, 'i').exec(parameters) ?? []
  return (quoted ?? bare)?.replaceAll('%22', '"')
}

/** S3 API, "POST Object", ${filename}: of a path only the file's name. */
function baseName(fileName: string): string {
  return fileName.slice(Math.max(fileName.lastIndexOf('/'), fileName.lastIndexOf('\\')) + 1)
}

function utf8(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch (cause) {
    throw s3Error('MalformedPOSTRequest', { cause })
  }
}
