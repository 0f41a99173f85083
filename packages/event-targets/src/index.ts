export * from './errors.ts'
export type * from './event-target.ts'
export { SettledTooLate, settledWithin } from './settled-within.ts'
export { SEND_TIMEOUT_MS_DEFAULT, withDeadline } from './with-deadline.ts'
