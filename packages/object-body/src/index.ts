export { freeBytes } from './free-bytes.ts'
export { type ManifestPart, openManifest, sealManifest } from './manifest.ts'
export * from './read-body.ts'
export * from './seal-body.ts'
