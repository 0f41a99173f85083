import { countBuffersInHeapLimit } from './heap.ts'
import { obeySupervisor } from './worker.ts'

countBuffersInHeapLimit()
obeySupervisor()
