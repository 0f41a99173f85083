import { countBuffersInHeapLimit } from './heap.ts'
import { workOnJobs } from './job-worker.ts'

countBuffersInHeapLimit()
workOnJobs()
