import { z } from 'zod'
import { kmsApiError } from './errors.ts'

/** Opaque to clients: what the page after ends with, in base64url. */
export function markerOf(after: string): string {
  return Buffer.from(after).toString('base64url')
}

/** InvalidMarkerException for what no `markerOf` gave. */
export function parseMarker(marker: string | undefined): string {
  if (marker === undefined) return ''
  const after = Buffer.from(marker, 'base64url').toString()
  // No name has a NUL in it.
  if (after !== '' && !after.includes('\0') && after.isWellFormed() && markerOf(after) === marker) return after
  throw kmsApiError('InvalidMarkerException')
}

/** A page of a list that is all there; the marker counts. */
export function pageOf<Item>(
  items: readonly Item[],
  marker: string | undefined,
  limit: number,
): { readonly page: readonly Item[]; readonly more: { readonly Truncated: boolean; readonly NextMarker?: string } } {
  const after = parseMarker(marker)
  if (!/^\d{0,9}$/.test(after)) throw kmsApiError('InvalidMarkerException')
  const from = Number(after)
  const page = items.slice(from, from + limit)
  return { page, more: moreOf(from + limit < items.length ? String(from + limit) : undefined) }
}

/** `next`: what the page that follows begins after; undefined for the last. */
export function moreOf(next: string | undefined): { readonly Truncated: boolean; readonly NextMarker?: string } {
  return next === undefined ? { Truncated: false } : { Truncated: true, NextMarker: markerOf(next) }
}

export function limitOf(limitMax: number, byDefault: number) {
  return z.int().min(1).max(limitMax).default(byDefault)
}
