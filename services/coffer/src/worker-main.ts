import { obeySupervisor } from './worker.ts'

obeySupervisor()
