export { type HoldLeaseOptions, holdLease, type LeaseHold, type LeaseStore } from './hold-lease.ts'
