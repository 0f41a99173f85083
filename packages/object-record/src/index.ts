export * from './object-attributes.ts'
export { replaceObjectKey, sealContextOf } from './replace-object-key.ts'
