import { InvalidArgumentError } from 'commander'

const UNIT_MS: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }
const UNIT_BYTES: Readonly<Record<string, number>> = { '': 1, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30, TiB: 2 ** 40 }

/** `90d`, `12h`, `30m`, `45s` as milliseconds. */
export function duration(text: string): number {
  const [, count = '', unit = ''] = /^(\d{1,9})([smhd])$/.exec(text) ?? []
  if (count === '') throw new InvalidArgumentError('Times are like 45s, 30m, 12h or 90d.')
  return Number(count) * (UNIT_MS[unit] ?? 0)
}

/** `4096`, `64KiB`, `10MiB` as bytes. */
export function sizeOf(text: string): number {
  const [, count = '', unit = ''] = /^(\d{1,15})(|KiB|MiB|GiB|TiB)$/.exec(text) ?? []
  const bytes = Number(count) * (UNIT_BYTES[unit] ?? 0)
  if (count === '' || !Number.isSafeInteger(bytes))
    throw new InvalidArgumentError('Sizes are like 4096, 64KiB or 10MiB.')
  return bytes
}

export function positiveInteger(text: string): number {
  const value = Number(text)
  if (!/^\d{1,13}$/.test(text) || value < 1) throw new InvalidArgumentError('A whole number from 1.')
  return value
}

export function sizeText(bytes: number): string {
  const units = Object.entries(UNIT_BYTES).reverse()
  const [unit, factor] = units.find(([, size]) => bytes >= size) ?? ['', 1]
  return unit === '' ? `${bytes} B` : `${(bytes / factor).toFixed(1)} ${unit}`
}

export function durationText(ms: number): string {
  const seconds = Math.round(ms / 1000)
  if (seconds < 60) return `${seconds} s`
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`
  if (seconds >= 172_800) return `${Math.floor(seconds / 86_400)} d ${Math.floor((seconds % 86_400) / 3600)} h`
  return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`
}
