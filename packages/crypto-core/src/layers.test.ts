import { expect, it } from 'vitest'
import { joinLayers, layerCountOf, splitLayers } from './layers.ts'
import { Secret } from './secret.ts'

const refused = expect.objectContaining({ code: 'CRYPTO_KEY_LENGTH' })
const key = (sizeBytes: number) => Secret.random(sizeBytes)

it('an object key has one key or two, of 32 bytes each', () => {
  expect([layerCountOf(key(32)), layerCountOf(key(64))]).toEqual([1, 2])
  for (const sizeBytes of [0, 16, 31, 33, 63, 65, 96]) expect(() => layerCountOf(key(sizeBytes))).toThrow(refused)
})

it('two keys are joined and taken apart whole: never one of them, nor parts of them', () => {
  const [inner, outer] = [key(32), key(32)]
  const apart = splitLayers(joinLayers({ inner, outer }))
  expect([apart.inner.equals(inner), apart.outer.equals(outer)]).toEqual([true, true])
  expect(() => splitLayers(key(32))).toThrow(refused)
  for (const wrong of [
    { inner: key(64), outer },
    { inner, outer: key(64) },
    { inner: key(16), outer: key(48) },
  ]) {
    expect(() => joinLayers(wrong)).toThrow(refused)
  }
})
