import { countBuffersInHeapLimit } from './heap.ts'
import { workOnRewraps } from './rewrap-worker.ts'

countBuffersInHeapLimit()
workOnRewraps()
