export * from './object-attributes.ts'
export { isLocked, mayReplaceRetention } from './object-lock.ts'
export { replaceObjectKey, sealContextOf } from './replace-object-key.ts'
