import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { FormDataReader, parseFormBoundary } from './form-data.ts'

const BOUNDARY = 'AaB03x'

async function* piecesOf(text: string | Buffer, pieceBytes: number): AsyncGenerator<Buffer> {
  const bytes = Buffer.from(text)
  for (let at = 0; at < bytes.length; at += pieceBytes) yield bytes.subarray(at, at + pieceBytes)
}

function part(name: string, value: string, rest = ''): string {
  return `--${BOUNDARY}\r\nContent-Disposition: form-data; name="${name}"${rest}\r\n\r\n${value}\r\n`
}

async function read(text: string | Buffer, pieceBytes = 1000, boundary = BOUNDARY) {
  const reader = new FormDataReader(piecesOf(text, pieceBytes), boundary)
  const { fields, fileName } = await reader.readFields()
  const file: Buffer[] = []
  for await (const piece of reader.file()) file.push(piece)
  return { fields: Object.fromEntries(fields), fileName, file: Buffer.concat(file) }
}

const FORM = `${part('key', 'a/b')}${part('Content-Type', 'text/plain; q=ž', '; filename="x"')}${part('file', 'body', '; filename="C:\\dir\\ž.txt"\r\nContent-Type: text/plain')}`
const END = `--${BOUNDARY}--\r\n`

describe('FormDataReader', () => {
  it.each([1, 7, 64, 10_000])('gives fields and file, in pieces of %i bytes', async (pieceBytes) => {
    const { fields, fileName, file } = await read(FORM + END, pieceBytes)
    expect(fields).toEqual({ key: 'a/b', 'content-type': 'text/plain; q=ž' })
    expect([fileName, file.toString()]).toEqual(['ž.txt', 'body'])
  })

  it('passes over what comes before the first delimiter and after the file', async () => {
    const { file } = await read(`preamble\r\n${FORM}${part('submit', 'Upload')}${END}epilogue`)
    expect(file.toString()).toBe('body')
  })

  it('gives back any bytes, split anywhere, delimiters that are almost there too', async () => {
    const nearly = fc.constantFrom('\r', '\n', '\r\n', '\r\n-', '\r\n--', '\r\n--AaB03', '--AaB03x', '\r\n--AaB03y')
    const bytes = fc.array(fc.oneof(nearly, fc.string()), { maxLength: 40 }).map((texts) => Buffer.from(texts.join('')))
    await fc.assert(
      fc.asyncProperty(bytes, fc.integer({ min: 1, max: 40 }), async (body, pieceBytes) => {
        fc.pre(!body.includes(`\r\n--${BOUNDARY}`))
        const head = `${part('key', 'k')}--${BOUNDARY}\r\nContent-Disposition: form-data; name="file"\r\n\r\n`
        const { file } = await read(Buffer.concat([Buffer.from(head), body, Buffer.from(`\r\n${END}`)]), pieceBytes)
        expect(file.equals(body)).toBe(true)
      }),
    )
  })

  it.each([
    ['no file', part('key', 'k') + END, 'InvalidArgument'],
    ['a body that ends before the file', part('key', 'k') + part('file', 'cut').slice(0, -2), 'MalformedPOSTRequest'],
    ['a body that ends in a field', part('key', 'k').slice(0, -2), 'MalformedPOSTRequest'],
    ['no delimiter at all', 'a=b&c=d', 'MalformedPOSTRequest'],
    ['a part without a name', `--${BOUNDARY}\r\n\r\nvalue\r\n${END}`, 'MalformedPOSTRequest'],
    ['a field twice', part('key', 'a') + part('KEY', 'b') + part('file', 'x') + END, 'MalformedPOSTRequest'],
    [
      'a field that is not UTF-8',
      Buffer.from(part('key', 'é') + part('file', 'x') + END, 'latin1'),
      'MalformedPOSTRequest',
    ],
    ['large fields', part('key', 'x'.repeat(21_000)) + part('file', 'x') + END, 'MaxPostPreDataLengthExceededError'],
    [
      'many small fields',
      Array.from({ length: 101 }, (_, at) => part(`f${at}`, '')).join('') + part('file', 'x') + END,
      'MalformedPOSTRequest',
    ],
    ['much after the file', part('file', 'x') + part('more', 'x'.repeat(30_000)) + END, 'MalformedPOSTRequest'],
  ])('refuses %s', async (_what, text, code) => {
    await expect(read(text)).rejects.toMatchObject({ code })
    await expect(read(text, 50)).rejects.toMatchObject({ code })
  })

  it('takes a large file in one piece with its fields', async () => {
    const body = 'x'.repeat(300_000)
    expect((await read(part('key', 'k') + part('file', body) + END, 1_000_000)).file.length).toBe(body.length)
  })
})

describe('parseFormBoundary', () => {
  it.each([
    ['multipart/form-data; boundary=abc', 'abc'],
    ['Multipart/Form-Data;charset=utf-8; Boundary="a b"', 'a b'],
  ])('of %s is %s', (contentType, boundary) => {
    expect(parseFormBoundary(contentType)).toBe(boundary)
  })

  it.each([
    [undefined, 'PreconditionFailed'],
    ['application/x-www-form-urlencoded', 'PreconditionFailed'],
    ['multipart/form-database; boundary=a', 'PreconditionFailed'],
    ['multipart/form-data', 'MalformedPOSTRequest'],
    [`multipart/form-data; boundary=${'x'.repeat(71)}`, 'MalformedPOSTRequest'],
  ])('refuses %s', (contentType, code) => {
    expect(() => parseFormBoundary(contentType)).toThrow(expect.objectContaining({ code }))
  })
})
